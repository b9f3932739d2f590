// condition_variable.hpp - wait, with a mutex given up meanwhile, until told to look
// again.
//
//     std::unique_lock held(m);
//     changed.wait(held, [&] { return !items.empty(); });
//
// wait() always comes back with the mutex locked, also when it throws; getting it back
// cannot be interrupted. There are no spurious wake-ups, but what was true when
// notify_one() was called may not be any more: use the forms with a predicate.
// notify_one() wakes the one that has waited longest; a notification is never lost on a
// fiber that was killed or timed out before it came.
//
// Thread rule: wait in any fiber of any thread; notify from anywhere, hub callbacks
// too, with or without the mutex.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <tendril/runtime/clock.hpp>
#include <tendril/sync/mutex.hpp>
#include <tendril/sync/wait_queue.hpp>

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <utility>

namespace tendril {

class condition_variable {
  public:
    condition_variable() = default;
    condition_variable(const condition_variable&) = delete;
    condition_variable& operator=(const condition_variable&) = delete;
    // REQUIRES  every wait has come back.
    ~condition_variable() = default;

    // Parks until notified.
    // THROWS  what is thrown into the fiber; fiber_error: in_hub; not_owner if `held`
    //         does not own its mutex.
    void wait(std::unique_lock<mutex>& held) { wait_until(held, never); }

    template <class Predicate>
    void wait(std::unique_lock<mutex>& held, Predicate ready) {
        while (!ready()) wait(held);
    }

    std::cv_status wait_until(std::unique_lock<mutex>& held, time_point deadline);

    template <class Rep, class Period>
    std::cv_status wait_for(std::unique_lock<mutex>& held,
                            std::chrono::duration<Rep, Period> d) {
        return wait_until(held, detail::from_now(d));
    }

    // False if `ready()` still is when the time is over.
    template <class Predicate>
    bool wait_until(std::unique_lock<mutex>& held,
                    time_point deadline,
                    Predicate ready) {
        while (!ready()) {
            if (wait_until(held, deadline) == std::cv_status::timeout) return ready();
        }
        return true;
    }

    template <class Rep, class Period, class Predicate>
    bool wait_for(std::unique_lock<mutex>& held,
                  std::chrono::duration<Rep, Period> d,
                  Predicate ready) {
        return wait_until(held, detail::from_now(d), std::move(ready));
    }

    void notify_one() noexcept;
    void notify_all() noexcept;

  private:
    wait_queue::lock lock_;
    wait_queue line_;
};

}  // namespace tendril
