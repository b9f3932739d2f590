// dump.hpp - what every fiber is doing.
//
//     dump_fibers(std::cerr);
//
//     hub 0: 1002 fibers
//     main fiber 1: running
//         #0 tendril::dump_fibers(std::ostream&) +0x309 in ./server (+0x2b2e9)
//         #1 main +0x989 in ./server (+0x173e9)
//         ...
//     1000 fibers (made at server.cpp:31): waits for a read, for 1.402 s at most
//         fibers 3, 4, 5, 6, 7, 8, 9, 10, ...
//         stack: at most 8 KiB of 256 KiB used
//         ...
//         #4 tendril::net::socket::recv(unsigned long) +0x51 in ./server (+0x1c311)
//         ...
//     fiber 1003 (made at server.cpp:36): waits for sleep, for 0.100 s
//         stack: at most 4 KiB of 256 KiB used
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
