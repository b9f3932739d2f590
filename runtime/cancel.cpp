// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/cancel.hpp>
#include <tendril/runtime/detail/extras.hpp>
#include <tendril/runtime/detail/fork_guard.hpp>
#include <tendril/runtime/fiber.hpp>
#include <tendril/runtime/park.hpp>

#include <algorithm>
#include <exception>
#include <mutex>
#include <new>
#include <string>
#include <utility>

namespace tendril {
namespace detail {
namespace {

// A layer has come, gone or been cancelled.
void look_again(fiber_core& core) noexcept {
    core.cancel_due = visible_cancel(core) != nullptr;
    refresh_alert(core);
}

void look_again_and_tell(fiber_core& core) noexcept {
    if (core.done.load(std::memory_order_relaxed)) return;
    look_again(core);
    if (core.started) core.home->alert(core);
}

timer_queue& timers_of(const fiber_core& core) {
    return hub_internals::timers(core.home->owner);
}

void set_fiber(cancel_layer& layer, fiber_core* core) noexcept {
    const std::lock_guard held(layer.fiber_lock);
    layer.fiber = core;
}

void take_out(fiber_core& core, cancel_layer& layer) noexcept {
    timers_of(core).disarm(layer);
    set_fiber(layer, nullptr);
    cancel_layer** at = &core.layer;
    while (*at != &layer) at = &(*at)->outer;
    *at = layer.outer;
    if (layer.is_shield) --core.shields;
    look_again(core);
    // It may wait elsewhere, with a kill that this shield held off.
    if (core.started && !core.done.load(std::memory_order_relaxed)) {
        core.home->alert(core);
    }
}

// Tells the exception hook what sentence() says.
template <class F>
void tell(F sentence) noexcept {
    std::exception_ptr error;
    try {
        error = std::make_exception_ptr(fiber_error(
            errc::not_nested, sentence() + "; scopes are for local variables"));
    } catch (const std::bad_alloc&) {
        error = std::current_exception();
    }
    report(std::move(error), "the end of a scope");
}

void push(fiber_core& core, cancel_layer& layer) noexcept {
    layer.outer = core.layer;
    core.layer = &layer;
    layer.entered = true;
    if (layer.is_shield) ++core.shields;
    set_fiber(layer, &core);
    look_again(core);
}

// A deadline that has passed already needs no timer.
void arm(cancel_layer& layer, const fiber_core& core) {
    if (layer.deadline == never) return;
    if (layer.deadline <= core.home->owner.now()) {
        layer.called.store(true);
    } else {
        timers_of(core).arm(layer, layer.deadline);
    }
}

}  // namespace

cancel_layer::cancel_layer(bool is_shield) noexcept : is_shield(is_shield) {
    fire = [](timer_node& t) {
        auto& layer = static_cast<cancel_layer&>(t);
        layer.called.store(true);
        look_again_and_tell(*layer.fiber);
    };
}

void enter(cancel_layer& layer) {
    scheduler& s = current_scheduler();
    if (s.on_loop()) fail_in_hub("what runs in a cancel scope");
    if (layer.entered) {
        fail(errc::already_set, "a cancel scope was entered twice, by " +
                                    describe(*s.current) +
                                    "; each is for one piece of work");
    }
    arm(layer, *s.current);
    push(*s.current, layer);
}

void leave(cancel_layer& layer) noexcept {
    {
        const std::lock_guard held(layer.fiber_lock);
        if (layer.fiber == nullptr) return;  // the end of its fiber took it out
        // (In the child of a fork nobody runs any fiber; what it leaves is its own.)
        if (layer.fiber->home != this_scheduler && !in_forked_child) {
            die_not_nested("a scope or shield was left on another thread than its own");
        }
    }
    fiber_core& core = *layer.fiber;
    if (core.layer != &layer || core.home->current != &core) {
        tell_not_nested(layer.is_shield ? "a shield" : "a cancel scope", core);
    }
    take_out(core, layer);
}

void forget_scopes(fiber_core& core) noexcept {
    while (core.layer != nullptr) take_out(core, *core.layer);
}

void end_scopes(fiber_core& core) noexcept {
    const bool own_end = core.home->current == &core;
    const cancel_layer* const inherited =
        core.extras != nullptr ? core.extras->limit.get() : nullptr;
    if (own_end && (core.layer != inherited || core.limits > 0)) {
        tell([&] {
            return describe(core) + " has ended in a scope that it had not left";
        });
    }
    forget_scopes(core);
    // Those have no other way to know that it is over.
    if (core.limits > 0) retain(core);
}

void tell_not_nested(const char* scope, const fiber_core& owner) noexcept {
    const fiber_core& by = *owner.home->current;
    tell([&] {
        return std::string(scope) + " of " + describe(owner) + " was left " +
               (&by != &owner ? "by " + describe(by) : "before what is inside it");
    });
}

void die_not_nested(const char* sentence) noexcept {
    tell([=] { return std::string(sentence); });
    std::terminate();
}

void cancel(cancel_layer& layer) {
    any_fiber held;
    {
        // Until the lock is let go the fiber cannot leave, and the layer not go.
        const std::lock_guard lock(layer.fiber_lock);
        layer.called.store(true);
        if (layer.fiber == nullptr) return;
        retain(*layer.fiber);
        held = fiber_access::handle<void>(*layer.fiber);
    }
    fiber_core& core = *fiber_access::core(held);
    if (core.home == this_scheduler) return look_again_and_tell(core);
    core.home->owner.post([held] { look_again_and_tell(*fiber_access::core(held)); });
}

void move_deadline(cancel_layer& layer, time_point deadline) {
    layer.deadline = deadline;
    if (layer.fiber == nullptr) return;
    timers_of(*layer.fiber).disarm(layer);
    arm(layer, *layer.fiber);
    look_again_and_tell(*layer.fiber);
}

const cancel_layer* visible_cancel(const fiber_core& core) noexcept {
    const cancel_layer* outermost = nullptr;
    for (const cancel_layer* at = core.layer; at != nullptr; at = at->outer) {
        if (at->called.load(std::memory_order_relaxed)) outermost = at;
        if (at->is_shield) break;
    }
    return outermost;
}

time_point effective_deadline(const fiber_core& core) noexcept {
    time_point earliest = never;
    for (const cancel_layer* at = core.layer; at != nullptr; at = at->outer) {
        earliest = std::min(earliest, at->deadline);
        if (at->is_shield) break;
    }
    return earliest;
}

inherited_deadline::inherited_deadline(fiber_core& core, time_point when)
    : cancel_layer(false) {
    deadline = when;
    arm(*this, core);
    push(core, *this);
}

inherited_deadline::~inherited_deadline() {
    if (fiber != nullptr) take_out(*fiber, *this);
}

void inherit_deadline(fiber_core& core) {
    const time_point when = effective_deadline(*this_scheduler->current);
    if (when == never) return;
    try {
        extras_of(core).limit = std::make_unique<inherited_deadline>(core, when);
    } catch (...) {
        release(core);
        throw;
    }
}

void throw_cancelled(fiber_core& self) {
    throw cancelled(*visible_cancel(self));
}

void fail_late(duration limit) {
    const double seconds = std::chrono::duration<double>(limit).count();
    throw deadline_exceeded("not done within " + std::to_string(seconds) + " s");
}

void require_limit(duration limit) {
    scheduler& s = current_scheduler();
    if (limit != forever || !s.current->cancel_due) return;
    fail(errc::bad_argument, describe(*s.current) +
                                 " would be shielded without a limit in a scope that "
                                 "is cancelled, and could hang for ever");
}

}  // namespace detail

time_point current_deadline() {
    return detail::effective_deadline(*detail::current_scheduler().current);
}

}  // namespace tendril
