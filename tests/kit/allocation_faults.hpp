// allocation_faults.hpp - operator new of this program, which counts and can fail.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>

namespace tendril::test {

// False in builds with sanitizers: theirs is not replaced, and the rest does nothing.
bool can_fail_allocations() noexcept;

// What operator new has given out and operator delete not got back, all threads.
long blocks_in_use() noexcept;

// As long as it lives, the `at`-th operator new of the fiber that makes it fails
// (counted from 0, from there on); and all after it if `sticky`. One at a time.
class failing_allocations {
  public:
    failing_allocations(std::size_t at, bool sticky) noexcept;
    failing_allocations(const failing_allocations&) = delete;
    failing_allocations& operator=(const failing_allocations&) = delete;
    ~failing_allocations();

    // One has.
    bool failed() const noexcept;
};

}  // namespace tendril::test
