// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/detail/extras.hpp>
#include <tendril/runtime/detail/switch.hpp>
#include <tendril/runtime/greenlet.hpp>
#include <tendril/runtime/park.hpp>

#include <string>
#include <utility>

namespace tendril {
namespace detail {
namespace {

// A raw switch may go to it: nobody else is going to resume it.
bool resumable(const fiber_core& core) noexcept {
    switch (core.state) {
        case fiber_state::suspended:
            return true;
        case fiber_state::unstarted:
            return core.kind == fiber_kind::greenlet;
        default:
            // The hub's loop when it waits for no switch: it just carries on.
            return core.kind == fiber_kind::loop;
    }
}

bool takes_exceptions(const fiber_core& core) noexcept {
    return core.kind != fiber_kind::loop || core.state == fiber_state::suspended;
}

// Throws greenlet_exit into `core`, suspended; or, since that must not be thrown in the
// middle of another unwinding, lets it finish that first. True if it was thrown.
bool exit_or_unwind(fiber_core& core) {
    const bool unwinding = core.saved_uncaught > 0;
    if (!unwinding) core.inbound_error = std::make_exception_ptr(greenlet_exit{});
    leave_for(core);
    return !unwinding;
}

}  // namespace

void fail_thread(const fiber_core& core, const char* cannot) {
    const std::string text = std::string("cannot ") + cannot + " " + describe(core);
    if (core.home->closing.load(std::memory_order_acquire)) {
        fail(errc::thread_exited, text + ": its thread has ended");
    }
    fail(errc::wrong_thread, text + ", which belongs to another thread, from " +
                                 describe(*current_scheduler().current));
}

fiber_core& receiver_of(fiber_core* target) {
    if (target == nullptr) {
        fail(errc::not_startable, "cannot switch to an empty greenlet handle");
    }
    require_own_thread(*target);
    const fiber_core* const self = this_scheduler->current;
    fiber_core* to = target;
    while (to->state == fiber_state::done && to->parent != nullptr) {
        to = to->parent;
        require_own_thread(*to);
    }
    if (to == self) return *to;
    if (to->parent != nullptr && to->state == fiber_state::unstarted) {
        require_own_thread(*to->parent);
    }
    if (to->state == fiber_state::done) {
        fail(errc::dead, "cannot switch to " + describe(*to) + ": it has ended");
    }
    if (!resumable(*to)) {
        fail(errc::parked, "cannot switch to " + describe(*to) +
                               (to->waiting != nullptr
                                    ? std::string(": it waits for ") + to->waiting->what
                                    : ": it is in the hub's ready queue"));
    }
    return *to;
}

fiber_core* heir_of(const fiber_core& core) noexcept {
    for (fiber_core* heir = core.parent; heir != nullptr; heir = heir->parent) {
        if (heir->home != core.home) return nullptr;
        if (heir->state != fiber_state::done && resumable(*heir)) {
            return takes_exceptions(*heir) ? heir : nullptr;
        }
        if (heir->kind != fiber_kind::greenlet) return nullptr;
    }
    return nullptr;
}

void leave_for(fiber_core& to) {
    scheduler& s = *this_scheduler;
    s.current->state = fiber_state::suspended;
    s.transfer(to);
}

void exit_dropped(fiber_core& core, fiber_core& at) noexcept {
    scheduler& s = *core.home;
    fiber_core& dropper = *s.current;
    const in_flight kept(s);
    retain(dropper);
    fiber_core* const parent = std::exchange(core.parent, &dropper);
    // An unwinding may switch away more than once, but not for ever.
    constexpr int most_turns = 100;
    for (int turn = 0; turn < most_turns; ++turn) {
        const bool thrown = exit_or_unwind(at);
        if (dropper.inbound_error) {
            report(std::exchange(dropper.inbound_error, nullptr),
                   "a greenlet that was dropped");
        }
        if (thrown || core.state != fiber_state::suspended) break;
    }
    // Unless it has been given another one meanwhile.
    if (core.parent == &dropper) {
        core.parent = parent;
        release(dropper);
    } else if (parent != nullptr) {
        release(*parent);
    }
}

void report_lost(const fiber_core& core) noexcept {
    const std::string text = "greenlet_exit did not end " + describe(core) +
                             ", which nobody holds any more; its stack is lost";
    report(std::make_exception_ptr(fiber_error(errc::dead, text)),
           "a greenlet that was dropped");
}

void kill_dropped(fiber_core& core) noexcept {
    // Parked, it lives as its wait does: its frames hold it until a raw switch, or its
    // end.
    if (core.state != fiber_state::suspended) return;
    retain(core);
    exit_dropped(core, core);
    const bool lost = core.state == fiber_state::suspended && core.refs.load() == 1;
    lost ? report_lost(core) : release(core);
}

void raw_switch(fiber_core& to) {
    scheduler& s = *this_scheduler;
    fiber_core& self = *s.current;
    self.state = fiber_state::suspended;
    s.note_if_abandoned(self);
    s.transfer(to);
    after_raw_switch(self);
}

void after_raw_switch(fiber_core& self) {
    scheduler& s = *self.home;
    if (s.throw_on_arrival) [[unlikely]] {
        // In the place of what was on its way; an interrupt stays for the next park.
        self.inbound_error = nullptr;
        self.interrupted = false;
        std::rethrow_exception(std::exchange(s.throw_on_arrival, nullptr));
    }
    if (self.inbound_error) {
        std::rethrow_exception(std::exchange(self.inbound_error, nullptr));
    }
    if (std::exchange(self.interrupted, false)) [[unlikely]]
        throw_interrupts();
}

void raw_throw(fiber_core* target, std::exception_ptr error) {
    if (!error) fail(errc::bad_argument, "throw_in was given a null exception_ptr");
    fiber_core& to = receiver_of(target);
    // A dead one's greenlet_exit is its value, as if it had just ended with it.
    const bool quiet = target->state == fiber_state::done && is_greenlet_exit(error);
    if (&to == this_scheduler->current) {
        if (quiet) return;
        std::rethrow_exception(std::move(error));
    }
    if (!takes_exceptions(to)) {
        report(std::move(error), "thrown into a hub's loop");
    } else if (!quiet) {
        // One that has not started is started to find this before its body is called.
        to.inbound_error = std::move(error);
    }
    raw_switch(to);
}

void finish_greenlet(fiber_core& self,
                     std::exception_ptr error,
                     unique_function<void(fiber_core&)> give_value,
                     unique_function<void()> discard) {
    scheduler& s = *self.home;
    if (error && is_greenlet_exit(error)) error = nullptr;
    self.context = nullptr;
    s.complete(self);
    s.departing.push_back(self);
    drop_locals(self);
    fiber_core* heir = heir_of(self);
    if (heir != nullptr && !error && give_value) {
        try {
            give_value(*heir);
        } catch (...) {
            error = std::current_exception();
        }
    }
    if (discard) {
        // Destructors of the user's: nobody is named heir before they are over, and the
        // one in view may not wait any more then.
        discard();
        heir = heir_of(self);
    }
    if (heir != nullptr) {
        if (error) heir->inbound_error = std::move(error);
    } else if (error) {
        report(std::move(error), "a greenlet whose parent could not take it");
    }
    s.heir = heir;
}

fiber_core& init_greenlet(fiber_core& core, fiber_core* parent) {
    core.parent = parent != nullptr ? parent : core.home->current;
    core.dropped = kill_dropped;
    retain(*core.parent);
    return core;
}

}  // namespace detail

greenlet_ref greenlet_ref::current() {
    detail::fiber_core& core = *detail::current_scheduler().current;
    detail::retain(core);
    return greenlet_ref(&core);
}

greenlet_ref::operator bool() const noexcept {
    return core_ != nullptr && core_->started && !dead();
}

bool greenlet_ref::dead() const noexcept {
    return core_ != nullptr && (core_->done.load(std::memory_order_acquire) ||
                                core_->home->closing.load(std::memory_order_acquire));
}

greenlet_ref greenlet_ref::parent() const {
    if (core_ == nullptr) return {};
    if (!core_->home->closing.load(std::memory_order_acquire)) {
        detail::require_own_thread(*core_, "ask for the parent of");
    }
    if (core_->parent == nullptr) return {};
    detail::retain(*core_->parent);
    return greenlet_ref(core_->parent);
}

void greenlet_ref::set_parent(const greenlet_ref& parent) {
    using detail::fail;
    if (core_ == nullptr || parent.core_ == nullptr) {
        fail(errc::bad_argument,
             "set_parent needs a greenlet and a parent, one is empty");
    }
    detail::require_own_thread(*core_, "set the parent of");
    if (core_->kind != detail::fiber_kind::greenlet) {
        fail(errc::bad_argument,
             "the parent of " + describe(*core_) + " cannot be set");
    }
    if (core_->home != parent.core_->home && core_->started) {
        fail(errc::wrong_thread,
             describe(*core_) +
                 " has started and cannot have a parent on another thread");
    }
    // Only this thread's part of the chain can come back to this thread's greenlet.
    for (const detail::fiber_core* at = parent.core_;
         at != nullptr && at->home == core_->home; at = at->parent) {
        if (at == core_) {
            fail(errc::cyclic_parent,
                 describe(*core_) +
                     " would become its own ancestor (cyclic parent chain)");
        }
    }
    detail::retain(*parent.core_);
    detail::fiber_core* const before = std::exchange(core_->parent, parent.core_);
    if (before != nullptr) detail::release(*before);
}

std::string greenlet_ref::repr() const {
    if (core_ == nullptr) return "no greenlet";
    const std::string text = describe(*core_);
    if (core_->home->closing.load(std::memory_order_acquire))
        return text + ", (thread exited) dead";
    if (dead()) return text + ", dead";
    if (!core_->started) return text + ", pending";
    if (detail::this_scheduler == core_->home && core_->home->current == core_) {
        return text + ", current";
    }
    return text + ", suspended";
}

}  // namespace tendril
