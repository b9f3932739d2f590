// leak_check.hpp - what a test has started must be over at its end.
//
//     const test::leak_check begin;
//     ...
//     if (const std::string left = begin.leaks(); !left.empty()) fail(left);
//
// Counts of this thread's hub: fibers and greenlets that have not ended, stacks in use
// (a handle keeps the stack of its fiber), armed timers; and of the process: open
// descriptors and, with TENDRIL_FAULT_POINTS, tendril::mutexes that are locked.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>
#include <string>

namespace tendril::test {

class leak_check {
  public:
    leak_check();

    // "2 fibers, 1 timer"; empty if there is nothing more than there was.
    std::string leaks() const;

  private:
    std::size_t fibers_;
    std::size_t stacks_;
    std::size_t timers_;
    std::size_t descriptors_;
    long mutexes_;
};

// Of this process.
std::size_t open_descriptors();

}  // namespace tendril::test
