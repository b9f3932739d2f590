// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/cancel.hpp>
#include <tendril/runtime/detail/extras.hpp>
#include <tendril/runtime/fiber.hpp>
#include <tendril/runtime/park.hpp>

#include <algorithm>
#include <mutex>
#include <new>
#include <string>

namespace tendril {
namespace detail {
namespace {

// A layer has come, gone or been cancelled.
void look_again(fiber_core& core) noexcept {
    core.cancel_due = visible_cancel(core) != nullptr;
    core.alerted = core.cancel_due || !core.interrupts.empty();
}

void look_again_and_tell(fiber_core& core) noexcept {
    if (core.done.load(std::memory_order_relaxed)) return;
    look_again(core);
    if (core.alerted && core.started) core.home->alert(core);
}

timer_queue& timers_of(const fiber_core& core) {
    return hub_internals::timers(core.home->owner);
}

void set_fiber(cancel_layer& layer, fiber_core* core) noexcept {
    const std::lock_guard held(layer.fiber_lock);
    layer.fiber = core;
}

void push(fiber_core& core, cancel_layer& layer) noexcept {
    layer.outer = core.layer;
    core.layer = &layer;
    layer.entered = true;
    if (layer.is_shield) ++core.shields;
    set_fiber(layer, &core);
    look_again(core);
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
    if (layer.deadline != never) timers_of(*s.current).arm(layer, layer.deadline);
    push(*s.current, layer);
}

void leave(cancel_layer& layer) noexcept {
    fiber_core& core = *layer.fiber;
    timers_of(core).disarm(layer);
    set_fiber(layer, nullptr);
    core.layer = layer.outer;
    if (layer.is_shield) --core.shields;
    look_again(core);
}

void cancel(cancel_layer& layer) {
    layer.called.store(true);
    any_fiber held;
    {
        const std::lock_guard lock(layer.fiber_lock);
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
    timer_queue& timers = timers_of(*layer.fiber);
    timers.disarm(layer);
    if (deadline != never) timers.arm(layer, deadline);
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
    timers_of(core).arm(*this, when);
    push(core, *this);
}

inherited_deadline::~inherited_deadline() {
    leave(*this);
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
