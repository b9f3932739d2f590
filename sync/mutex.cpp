// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/detail/choices.hpp>
#include <tendril/runtime/detail/scheduler.hpp>
#include <tendril/runtime/error.hpp>
#include <tendril/sync/mutex.hpp>

#include <mutex>
#include <string>
#include <utility>

namespace tendril {
namespace {

const detail::fiber_core* self() {
    return detail::current_scheduler().current;
}

}  // namespace

// In line for a mutex; knows who holds it, for reports and against circles.
struct mutex::locking final : wait_queue::place {
    locking(mutex& m, wait_queue::interrupts how) : place("mutex", true, how), m(m) {
        whom = [](const waiter& w) noexcept -> detail::fiber_core* {
            mutex& m = static_cast<const locking&>(w).m;
            const std::lock_guard held(m.lock_);
            // It has been handed over, and the news is on its way.
            if (w.fiber.waiting == &w && !w.linked()) return nullptr;
            return const_cast<detail::fiber_core*>(m.holder_near(w.fiber));
        };
    }

    mutex& m;
};

// Who holds it, if that is a fiber of this one's thread and has not ended meanwhile.
// REQUIRES  the lock is held.
const detail::fiber_core* mutex::holder_near(
    const detail::fiber_core& me) const noexcept {
    const bool of_this_thread =
        owner_ != 0 && owner_ >> detail::hub_shift == me.id >> detail::hub_shift;
    return of_this_thread && holder_->id == owner_ && !holder_->done ? holder_
                                                                     : nullptr;
}

void mutex::give_to(const detail::fiber_core& core) noexcept {
    owner_ = core.id;
    holder_ = &core;
    if constexpr (detail::fault_points) ++detail::mutexes_held;
}

bool mutex::try_lock() {
    const detail::fiber_core* const me = self();
    const std::lock_guard held(lock_);
    if (owner_ != 0) return false;
    give_to(*me);
    return true;
}

bool mutex::try_lock_until(time_point deadline) {
    return lock_as(deadline, wait_queue::interrupts::thrown);
}

bool mutex::is_mine() {
    const detail::fiber_core* const me = self();
    const std::lock_guard held(lock_);
    return owner_ == me->id;
}

bool mutex::lock_as(time_point deadline, wait_queue::interrupts how) {
    const detail::fiber_core& me = *self();
    std::unique_lock held(lock_);
    if (owner_ == 0) [[likely]] {
        give_to(me);
        return true;
    }
    return lock_when_free(std::move(held), me, deadline, how);
}

bool mutex::lock_when_free(std::unique_lock<wait_queue::lock> held,
                           const detail::fiber_core& me,
                           time_point deadline,
                           wait_queue::interrupts how) {
    if (owner_ == me.id) {
        held.unlock();
        detail::fail(errc::already_set,
                     describe(me) + " locks a mutex that it holds already");
    }
    locking here(*this, how);
    if (deadline == never && how == wait_queue::interrupts::thrown) {
        held.unlock();
        require_no_cycle(here);
        held.lock();
        if (owner_ == 0) {
            give_to(me);
            return true;
        }
    }
    return line_.wait(held, here, deadline);
}

void mutex::unlock() {
    const detail::fiber_core& me = *self();
    std::unique_lock held(lock_);
    if (owner_ != me.id) [[unlikely]]
        fail_not_owner(std::move(held), me);
    if constexpr (detail::fault_points) --detail::mutexes_held;
    if (!line_.empty()) return hand_on(std::move(held));
    owner_ = 0;
}

void mutex::fail_not_owner(std::unique_lock<wait_queue::lock> held,
                           const detail::fiber_core& me) {
    const bool is_free = owner_ == 0;
    const detail::fiber_core* const holder = holder_near(me);
    held.unlock();
    const std::string who = is_free             ? "nobody"
                            : holder != nullptr ? describe(*holder)
                                                : "somebody else";
    detail::fail(errc::not_owner,
                 describe(me) + " unlocks a mutex that " + who + " holds");
}

void mutex::hand_on(std::unique_lock<wait_queue::lock> held) noexcept {
    wait_queue::place& next = line_.take_first();
    give_to(next.fiber);
    held.unlock();
    detail::wake(next);
}

}  // namespace tendril
