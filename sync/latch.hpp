// latch.hpp - counts down to zero once; whoever waits for that then goes on.
//
//     latch loaded(files.size());
//     for (const auto& f : files) spawn([&] { load(f); loaded.count_down(); });
//     loaded.wait();
//
// The interface is std::latch's, with limits of time.
//
// Thread rule: any fiber of any thread; all but the waits also from hub callbacks.
// No allocation.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <tendril/runtime/clock.hpp>
#include <tendril/sync/wait_queue.hpp>

#include <chrono>
#include <cstddef>

namespace tendril {

class latch {
  public:
    // THROWS  fiber_error (bad_argument) for a negative number.
    explicit latch(std::ptrdiff_t count);
    latch(const latch&) = delete;
    latch& operator=(const latch&) = delete;
    // REQUIRES  every wait has come back.
    ~latch() = default;

    // Does not park.
    // THROWS  fiber_error (bad_argument) for a negative number, or more than are left;
    //         then the count is as it was.
    void count_down(std::ptrdiff_t by = 1);

    // What is left.
    std::ptrdiff_t pending() const noexcept;

    bool try_wait() const noexcept { return pending() == 0; }

    // Parks until the count is zero.
    // THROWS  what is thrown into the fiber; fiber_error (in_hub).
    void wait() { wait_until(never); }

    // As wait(), but false when the time is over first.
    bool wait_until(time_point deadline);

    template <class Rep, class Period>
    bool wait_for(std::chrono::duration<Rep, Period> d) {
        return wait_until(detail::from_now(d));
    }

    // Both. A kill in the wait leaves what it has counted down counted.
    void arrive_and_wait(std::ptrdiff_t by = 1) {
        count_down(by);
        wait();
    }

  private:
    mutable wait_queue::lock lock_;
    wait_queue line_;
    std::ptrdiff_t count_;
};

}  // namespace tendril
