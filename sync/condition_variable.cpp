// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/error.hpp>
#include <tendril/sync/condition_variable.hpp>

namespace tendril {

std::cv_status condition_variable::wait_until(std::unique_lock<mutex>& held,
                                              time_point deadline) {
    if (!held.owns_lock() || !held.mutex()->is_mine()) {
        detail::fail(errc::not_owner,
                     "a condition_variable was waited for without its mutex");
    }
    mutex& m = *held.mutex();
    wait_queue::place here("condition_variable", true);

    // Given back however the wait ends, and before any kill or timeout is thrown on.
    struct lock_again {
        mutex& m;

        ~lock_again() { m.lock_as(never, wait_queue::interrupts::held_back); }
    };

    std::unique_lock line_held(lock_);
    // In line before the mutex is free: whoever gets the mutex next can notify us.
    line_.get_in_line(line_held, here);
    m.unlock();
    const lock_again at_the_end{m};
    return wait_queue::wait_in_line(here, deadline) ? std::cv_status::no_timeout
                                                    : std::cv_status::timeout;
}

void condition_variable::notify_one() noexcept {
    wait_queue::taken_one woken;
    const std::lock_guard held(lock_);
    if (!line_.empty()) woken.set(line_.take_first());
}

void condition_variable::notify_all() noexcept {
    wait_queue::taken woken;
    const std::lock_guard held(lock_);
    while (!line_.empty()) woken.add(line_.take_first());
}

}  // namespace tendril
