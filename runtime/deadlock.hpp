// deadlock.hpp - nothing can happen any more, and the program is told.
//
// When every fiber waits, and there is no timer, no I/O and no other thread that could
// wake any, waiting longer is in vain. Then `deadlock` is thrown out of what the main
// fiber waits in (run(), too, which ends the others first), with a dump of all fibers:
//
//     try { tendril::run(program); }
//     catch (const tendril::deadlock& d) { std::cerr << d.what(); }
//
// Only in a process of one thread: any other one might still post something. (A
// watchdog's does not count, nor those of a thread_pool that have no work.) Not while
// somebody waits in hub::run_forever(), whose purpose is to wait for what comes. If the
// main fiber is out of reach (in a shield), the exception hook is told instead.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <stdexcept>

namespace tendril {

// what() is a sentence, and then the dump.
class deadlock : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

}  // namespace tendril
