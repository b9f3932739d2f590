// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/detail/cancel_layer.hpp>
#include <tendril/runtime/detail/switch.hpp>
#include <tendril/runtime/error.hpp>
#include <tendril/runtime/hub.hpp>
#include <tendril/runtime/park.hpp>
#include <tendril/runtime/timer_queue.hpp>

#include <string>
#include <utility>

namespace tendril::detail {
namespace {

bool interrupt_due(const scheduler& s, fiber_core& self) noexcept {
    return self.alerted && s.exceptions->uncaught == 0 &&
           (self.cancel_due || first_due(self) != nullptr);
}

[[gnu::noinline]] void throw_interrupt(fiber_core& self) {
    interrupt* const first = first_due(self);
    if (first == nullptr) throw_cancelled(self);
    first->unlink();
    self.alerted = self.cancel_due || !self.interrupts.empty();
    first->raise(*first);
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
    if (interrupt_due(s, self) && w.abort(w)) [[unlikely]]
        throw_interrupt(self);
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
        woken.home->make_ready(woken);
    };
    // A hub with a parked fiber has not ended, so the letter is always taken.
    hub_internals::send(w.fiber.home->owner, w);
}

void yield_now() {
    scheduler& s = current_scheduler();
    if (s.on_loop()) [[unlikely]]
        fail_in_hub("its next turn");
    fiber_core& self = *s.current;
    if (interrupt_due(s, self)) [[unlikely]]
        throw_interrupt(self);
    s.rotate();
    if (interrupt_due(s, self)) [[unlikely]]
        throw_interrupt(self);
}

void let_others_run() {
    scheduler& s = current_scheduler();
    if (!s.on_loop()) s.rotate();
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
    fiber.alerted = fiber.cancel_due || !fiber.interrupts.empty();
}

}  // namespace tendril::detail
