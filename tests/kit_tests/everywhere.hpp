// everywhere.hpp - for tests of primitives: cancel_everywhere finds nothing.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <tendril/runtime/cancel.hpp>
#include <tendril/runtime/fiber.hpp>
#include <tendril/runtime/spawn.hpp>
#include <tendril/test/allocation_faults.hpp>
#include <tendril/test/cancel_everywhere.hpp>
#include <tendril/test/virtual_time.hpp>

#include <cstddef>
#include <exception>
#include <functional>
#include <string>
#include <utility>

#include "../support/clean_end.hpp"
#include <doctest/doctest.h>

namespace tendril::test {

// A clean end, and every sleep and limit in between by a clock that jumps: also what is
// outside of what the kit runs, which has virtual time of its own.
class clean_virtual_time : public clean_end {
  private:
    virtual_time time_;
};

// And each kind of end has come at `moments` places at least, and memory has been asked
// for if it `allocates`.
inline void holds_everywhere(std::size_t moments,
                             const std::function<void()>& f,
                             bool allocates = true) {
    const cancelled_everywhere done = cancel_everywhere(f);
    for (const std::string& problem : done.problems) CHECK(problem == "");
    CHECK(done.kills >= moments);
    CHECK(done.timeouts >= moments);
    CHECK(done.cancels >= moments);
    CHECK((done.failed_allocations > 0) == (allocates && can_fail_allocations()));
}

// Looks, at its end, whether what it is told to look at holds: also in runs that are
// ended. To be declared before the companions, which end first.
template <class F>
class holds_at_end {
  public:
    explicit holds_at_end(F holds) : holds_(std::move(holds)) {}

    holds_at_end(const holds_at_end&) = delete;
    holds_at_end& operator=(const holds_at_end&) = delete;

    ~holds_at_end() {
        if (!holds_()) std::terminate();
    }

  private:
    F holds_;
};

// Ends its fiber with the scope that it is in.
class companion {
  public:
    template <class F>
    explicit companion(F f) : fiber_(spawn(std::move(f))) {}

    companion(const companion&) = delete;
    companion& operator=(const companion&) = delete;

    ~companion() {
        const uninterrupted here;
        fiber_.kill();
        fiber_.join();
    }

    void join() const { fiber_.join(); }

    any_fiber handle() const { return fiber_; }

  private:
    any_fiber fiber_;
};

}  // namespace tendril::test
