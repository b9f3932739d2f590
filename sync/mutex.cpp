// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/detail/scheduler.hpp>
#include <tendril/runtime/error.hpp>
#include <tendril/sync/mutex.hpp>

#include <mutex>
#include <string>

namespace tendril {
namespace {

const detail::fiber_core* self() {
    return detail::current_scheduler().current;
}

}  // namespace

bool mutex::try_lock() {
    const detail::fiber_core* const me = self();
    const std::lock_guard held(lock_);
    if (owner_ != 0) return false;
    owner_ = me->id;
    return true;
}

bool mutex::try_lock_until(time_point deadline) {
    return lock_as(deadline, wait_queue::interrupts::thrown);
}

bool mutex::lock_as(time_point deadline, wait_queue::interrupts how) {
    const detail::fiber_core* const me = self();
    std::unique_lock held(lock_);
    if (owner_ == 0) {
        owner_ = me->id;
        return true;
    }
    if (owner_ == me->id) {
        held.unlock();
        detail::fail(errc::already_set,
                     describe(*me) + " locks a mutex that it holds already");
    }
    wait_queue::place here("mutex", true, how);
    return line_.wait(held, here, deadline);
}

void mutex::unlock() {
    const detail::fiber_core* const me = self();
    wait_queue::taken_one woken;
    std::unique_lock held(lock_);
    if (owner_ != me->id) {
        held.unlock();
        detail::fail(errc::not_owner,
                     describe(*me) + " unlocks a mutex that it does not hold");
    }
    if (line_.empty()) {
        owner_ = 0;
        return;
    }
    wait_queue::place& next = line_.take_first();
    owner_ = next.fiber.id;
    woken.set(next);
}

}  // namespace tendril
