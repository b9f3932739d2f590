// dump.hpp - what every fiber is doing.
//
//     dump_fibers(std::cerr);
//
//     hub 1: 1,001 fibers
//     1,000 fibers (made at server.cpp:31): parked for 1.4 s or more, a read
//         fibers 4, 5, 6, 7, 8, ...; stack: 8 KiB of 256 KiB used at most
//         #0 tendril::net::socket::recv(...) +0x1b in ./server (+0x4711)
//         ...
//     main fiber 1: running
//         ...
//
// Fibers that are alike (same place, same state, same frames) are told of once, with
// their number. Link with -rdynamic for the names of your own functions; without it,
// addr2line knows them by the offsets.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <iosfwd>

namespace tendril {

// Tells of all fibers, greenlets and the main fiber of the calling thread. In a fiber
// or in a hub callback; does not park. Microseconds for each fiber, and some 4 KiB of
// each one's stack.
void dump_fibers(std::ostream& out);

// From here on `signal` (SIGQUIT is the customary one, and Ctrl-\\) makes every hub of
// the process dump its fibers to stderr: each when it gets to it, so not one that is
// blocked. THROWS  std::system_error for a signal that cannot be handled.
void dump_fibers_on(int signal);

}  // namespace tendril
