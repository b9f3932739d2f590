// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/detail/cancel_layer.hpp>
#include <tendril/runtime/detail/extras.hpp>
#include <tendril/runtime/detail/swallowed.hpp>
#include <tendril/runtime/detail/switch.hpp>
#include <tendril/runtime/error.hpp>
#include <tendril/runtime/hub.hpp>
#include <tendril/runtime/park.hpp>
#include <tendril/runtime/timer_queue.hpp>

#include <exception>
#include <new>
#include <string>
#include <utility>

namespace tendril::detail {
namespace {

bool interrupt_due(const scheduler& s, fiber_core& self) noexcept {
    return self.alerted && s.exceptions->uncaught == 0 && anything_due(self);
}

// Until it is known whether it has been swallowed.
void keep_thrown(fiber_core& self) noexcept {
    // Greenlets may be left for ever, and nobody would come to take this back.
    if (self.kind == fiber_kind::greenlet) return;
    try {
        extras_of(self).thrown_in = std::current_exception();
        refresh_alert(self);
    } catch (const std::bad_alloc&) {
        // Then that will not be known.
    }
}

[[gnu::noinline]] void throw_interrupt(fiber_core& self) {
    interrupt* const first = first_due(self);
    const bool plain_exit =
        first == nullptr && self.shields == 0 && std::exchange(self.exit_due, false);
    if (first == nullptr && !plain_exit) throw_cancelled(self);
    if (first != nullptr) first->unlink();
    refresh_alert(self);
    try {
        if (first == nullptr) throw greenlet_exit{};
        first->raise(*first);
    } catch (const greenlet_exit&) {
        keep_thrown(self);
        throw;
    }
}

// A kill has been caught by somebody who did not name it, and the fiber goes on to wait
// for `what`.
void tell_if_swallowed(fiber_core& self, const char* what) noexcept {
    if (self.extras == nullptr || self.extras->thrown_in == nullptr) return;
    const fate f = fate_of(self.extras->thrown_in);
    if (f == fate::alive) return;
    const std::exception_ptr error = std::exchange(self.extras->thrown_in, nullptr);
    if (f != fate::caught_blind) return;
    try {
        report(error, "swallowed by a catch (...) of " + describe(self) +
                          ", which goes on to wait for " + what);
    } catch (const std::bad_alloc&) {
        report(error, "swallowed by a catch (...)");
    }
}

// The others of its thread may come to wait for what it holds.
void tell_if_locked(fiber_core& self, const char* what) noexcept {
    if (const auto tell = tell_held_locks.load(std::memory_order_acquire)) {
        tell(self, what);
    }
}

// THROWS  what is due, if `taken_back()`: the fiber is not waiting, or not any more.
template <class F>
void look_before_leaving(scheduler& s,
                         fiber_core& self,
                         const char* what,
                         F taken_back) {
    // An exception hook may not wait: the fiber stands in line for something already.
    if (s.telling && taken_back()) {
        fail(errc::in_hub,
             std::string("an exception hook would have to wait for ") + what);
    }
    s.telling = true;
    if (self.holds_native) tell_if_locked(self, what);
    if (s.exceptions->uncaught == 0) tell_if_swallowed(self, what);
    s.telling = false;
    refresh_alert(self);
    if (interrupt_due(s, self) && taken_back()) throw_interrupt(self);
}

struct expiry final : timer_node {
    waiter* waits = nullptr;
    bool expired = false;
};

}  // namespace

void fail_in_hub(const char* what) {
    fail(errc::in_hub,
         std::string("a hub callback would have to wait for ") + what +
             "; callbacks must not block, spawn a fiber from them instead");
}

std::string whom(const waiter& w) {
    const fiber_core* const holder = w.whom != nullptr ? w.whom(w) : nullptr;
    return holder != nullptr ? " of " + describe(*holder) : std::string();
}

namespace {

// Whoever has to do something before the wait of `w` ends; null if that is not known,
// or if time ends it.
const fiber_core* awaited(const waiter& w) {
    const fiber_core& core = w.fiber;
    const bool limited = w.limited || core.limits > 0 ||
                         (core.layer != nullptr && effective_deadline(core) != never);
    return limited || w.whom == nullptr ? nullptr : w.whom(w);
}

bool closes_circle(const waiter& w) {
    // Each fiber waits for one thing at a time: without a circle this comes to an end;
    // one that this fiber is no part of goes round.
    const waiter* at = &w;
    for (std::size_t left = w.fiber.home->living_count + 1; left > 0; --left) {
        const fiber_core* const next = awaited(*at);
        if (next == &w.fiber) return true;
        if (next == nullptr || next->state != fiber_state::parked) return false;
        at = next->waiting;
    }
    return false;
}

}  // namespace

void require_no_cycle(const waiter& w) {
    if (!closes_circle(w)) return;
    std::string circle = describe(w.fiber);
    const char* joint = "";
    for (const waiter* at = &w;;) {
        const fiber_core& next = *awaited(*at);
        circle += joint + std::string(" would wait for ") + at->what + " of " +
                  describe(next);
        if (&next == &w.fiber) break;
        joint = ", which";
        at = next.waiting;
    }
    fail(errc::deadlock, circle);
}

void park(waiter& w) {
    fiber_core& self = w.fiber;
    scheduler& s = *self.home;
    if (self.alerted) [[unlikely]]
        look_before_leaving(s, self, w.what, [&] { return w.abort(w); });
    self.waiting = &w;
    self.state = fiber_state::parked;
    self.since = s.turn_began;
    s.leave();
    self.waiting = nullptr;
    if (self.alerted) [[unlikely]] {
        const bool taken_back = std::exchange(self.interrupted, false);
        if (interrupt_due(s, self) && (taken_back || !w.carries)) throw_interrupt(self);
    }
}

bool park_by_timer(waiter& w, time_point deadline) {
    expiry e;
    e.waits = &w;
    w.limited = true;
    e.fire = [](timer_node& t) {
        auto& mine = static_cast<expiry&>(t);
        // Woken in this very turn: whoever did that may have destroyed its place since.
        if (mine.waits->fiber.state != fiber_state::parked) return;
        if (!mine.waits->abort(*mine.waits)) return;
        mine.expired = true;
        wake(*mine.waits);
    };
    timer_queue& timers = hub_internals::timers(w.fiber.home->owner);
    try {
        timers.arm(e, deadline);
    } catch (...) {
        // Without the timer there is no wait; unless a wake is on its way already.
        if (w.abort(w)) throw;
        park(w);
        return true;
    }

    struct disarm_at_end {
        timer_queue& timers;
        expiry& e;

        ~disarm_at_end() { timers.disarm(e); }
    } const guard{timers, e};

    park(w);
    return !e.expired;
}

void wake_elsewhere(waiter& w) noexcept {
    w.open = [](letter& l) {
        fiber_core& woken = static_cast<waiter&>(l).fiber;
        // Unless its thread has ended and given it up.
        if (woken.state != fiber_state::done) woken.home->make_ready(woken);
    };
    // A hub with a parked fiber has not ended, so the letter is always taken.
    hub_internals::send(w.fiber.home->owner, w);
}

void yield_now() {
    scheduler& s = current_scheduler();
    if (s.on_loop()) [[unlikely]]
        fail_in_hub("its next turn");
    fiber_core& self = *s.current;
    if (self.alerted) [[unlikely]]
        look_before_leaving(s, self, "its next turn", [] { return true; });
    s.rotate();
    if (interrupt_due(s, self)) [[unlikely]]
        throw_interrupt(self);
}

void let_others_run() {
    scheduler& s = current_scheduler();
    // One that tells an exception hook stands in line for something already.
    if (!s.on_loop() && !s.telling) s.rotate();
}

void forget_thrown() noexcept {
    fiber_core& self = *this_scheduler->current;
    if (self.extras == nullptr) return;
    self.extras->thrown_in = nullptr;
    refresh_alert(self);
}

void throw_interrupts() {
    scheduler& s = *this_scheduler;
    if (interrupt_due(s, *s.current)) throw_interrupt(*s.current);
}

void withdraw(fiber_core& fiber, interrupt& i) noexcept {
    if (!i.linked()) return;
    // The fiber has been taken out of its wait for this one, so it must be thrown
    // there.
    const bool wait_over = fiber.interrupted && fiber.home->current != &fiber;
    if (wait_over && first_due(fiber) == &i) return;
    i.unlink();
    refresh_alert(fiber);
}

}  // namespace tendril::detail
