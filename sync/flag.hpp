// flag.hpp - up or down; whoever waits for it goes on when it goes up. Python's
// asyncio.Event and threading.Event.
//
//     flag ready;
//     spawn([&] { load(); ready.set(); });
//     ready.wait();
//
// Those who wait when it goes up all go on, also if it is down again before they run.
// (An event<T> carries a result, and is sent once.)
//
// Thread rule: any fiber of any thread; all but the waits also from hub callbacks.
// No allocation.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <tendril/runtime/clock.hpp>
#include <tendril/sync/wait_queue.hpp>

#include <chrono>

namespace tendril {

class flag {
  public:
    flag() = default;
    flag(const flag&) = delete;
    flag& operator=(const flag&) = delete;
    // REQUIRES  every wait has come back.
    ~flag() = default;

    // Up. Nothing if it is up already. Does not park.
    void set() noexcept;

    // Down again: from here on wait() parks. Does not park.
    void clear() noexcept;

    bool is_set() const noexcept;

    // Parks until it is up.
    // THROWS  what is thrown into the fiber; fiber_error (in_hub).
    void wait() { wait_until(never); }

    // As wait(), but false when the time is over first.
    bool wait_until(time_point deadline);

    template <class Rep, class Period>
    bool wait_for(std::chrono::duration<Rep, Period> d) {
        return wait_until(detail::from_now(d));
    }

  private:
    mutable wait_queue::lock lock_;
    wait_queue line_;
    bool up_ = false;
};

}  // namespace tendril
