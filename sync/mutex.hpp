// mutex.hpp - one fiber at a time; handed over in order, never grabbed on the way.
//
//     mutex m;
//     std::lock_guard held(m);             // std::unique_lock and scoped_lock work too
//
// unlock() gives the mutex to the fiber that has waited longest: it is its owner from
// that moment, even if it is killed before it runs (it then unlocks as it unwinds). It
// is held by a fiber, not by a thread, and may be held across anything that parks.
//
// Thread rule: any fiber of any thread; not from hub callbacks, except try_lock().
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <tendril/runtime/clock.hpp>
#include <tendril/runtime/hub.hpp>
#include <tendril/sync/wait_queue.hpp>

#include <chrono>

namespace tendril {

class mutex {
  public:
    mutex() = default;
    mutex(const mutex&) = delete;
    mutex& operator=(const mutex&) = delete;
    // REQUIRES  not locked.
    ~mutex() = default;

    // Parks until the mutex is the caller's.
    // THROWS  what is thrown into the fiber (the mutex is not its own then);
    // fiber_error:
    //         in_hub; already_set when the caller holds it already.
    void lock() { try_lock_until(never); }

    // Does not park.
    bool try_lock();

    // As lock(), but false when the time is over first.
    bool try_lock_until(time_point deadline);

    template <class Rep, class Period>
    bool try_lock_for(std::chrono::duration<Rep, Period> d) {
        return try_lock_until(
            detail::after(hub::current().now(), detail::checked_duration(d)));
    }

    // Hands the mutex to the first in line. Does not park.
    // THROWS  fiber_error (not_owner) when the caller does not hold it.
    void unlock();

  private:
    friend class condition_variable;

    bool lock_as(time_point deadline, wait_queue::interrupts how);

    wait_queue::lock lock_;
    wait_queue line_;
    const detail::fiber_core* owner_ = nullptr;
};

}  // namespace tendril
