// recursive_mutex.hpp - a mutex that its owner may lock again.
//
//     recursive_mutex m;
//     std::lock_guard outer(m);
//     std::lock_guard inner(m);            // at once; others get in after both
//
// Otherwise as mutex.hpp says: fair, held by a fiber and not by a thread.
//
// Thread rule: any fiber of any thread; in hub callbacks only try_lock() and unlock().
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <tendril/runtime/clock.hpp>
#include <tendril/sync/mutex.hpp>

#include <chrono>
#include <cstddef>

namespace tendril {

class recursive_mutex {
  public:
    recursive_mutex() = default;
    recursive_mutex(const recursive_mutex&) = delete;
    recursive_mutex& operator=(const recursive_mutex&) = delete;
    // REQUIRES  not locked.
    ~recursive_mutex() = default;

    // Parks until the mutex is the caller's.
    // THROWS  as mutex::lock(), but not already_set.
    void lock() { try_lock_until(never); }

    // Does not park.
    bool try_lock();

    // As lock(), but false when the time is over first.
    bool try_lock_until(time_point deadline);

    template <class Rep, class Period>
    bool try_lock_for(std::chrono::duration<Rep, Period> d) {
        return try_lock_until(detail::from_now(d));
    }

    // Undoes one lock; the last one hands the mutex on. Does not park.
    // THROWS  fiber_error (not_owner) when the caller does not hold it.
    void unlock();

  private:
    mutex mutex_;
    std::size_t depth_ = 0;  // its owner's
};

}  // namespace tendril
