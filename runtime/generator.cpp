// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/detail/extras.hpp>
#include <tendril/runtime/detail/switch.hpp>
#include <tendril/runtime/generator.hpp>
#include <tendril/runtime/hub.hpp>
#include <tendril/runtime/park.hpp>

#include <optional>
#include <string>
#include <utility>

namespace tendril::detail {
namespace {

// Who called resume() is parked: only the body's next yield, or an interrupt, brings it
// back. (The hub's loop, in a callback, cannot park. It is just away.)
class visit {
  public:
    visit(generator_core& core, fiber_core& caller) : core_(core), caller_(caller) {
        if (caller.kind == fiber_kind::loop) {
            caller.state = fiber_state::suspended;
        } else {
            caller.waiting = &waits_.emplace();
            caller.state = fiber_state::parked;
            caller.since = caller.home->turn_began;
        }
        core.caller = &caller;
        core.running = true;
    }

    visit(const visit&) = delete;
    visit& operator=(const visit&) = delete;

    ~visit() {
        core_.caller = nullptr;
        caller_.waiting = nullptr;
    }

  private:
    struct for_body final : waiter {
        for_body() : waiter([](waiter&) noexcept { return true; }, "a generator") {}
    };

    generator_core& core_;
    fiber_core& caller_;
    std::optional<for_body> waits_;
};

// Who gets control from the body: its caller. One that was killed or timed out is
// leaving, and stands in the ready queue already. Without a caller the one who is
// dropping it, if that is so, or else the hub, which is null.
fiber_core* successor_of(const generator_core& core) noexcept {
    fiber_core* const caller = core.caller;
    if (caller != nullptr && caller->state != fiber_state::ready) return caller;
    return heir_of(core);
}

}  // namespace

// The body of an inner generator is at the yield of an outer one, whose own body waits
// for it: that is where the outer one's next resume() goes. In the frame of that yield.
class inner_yield {
  public:
    inner_yield(generator_core& core, fiber_core& self) noexcept
        : core_(&core), self_(self) {
        core.inner = this;
    }

    inner_yield(const inner_yield&) = delete;
    inner_yield& operator=(const inner_yield&) = delete;

    ~inner_yield() {
        if (core_ != nullptr) core_->inner = nullptr;
    }

    fiber_core& self() const noexcept { return self_; }

    void outer_is_over() noexcept { core_ = nullptr; }

    void require_outer() const {
        if (core_ != nullptr) return;
        fail(errc::dead, "the generator that " + describe(self_) +
                             " yielded a value for has ended meanwhile");
    }

  private:
    generator_core* core_;
    fiber_core& self_;
};

void kill_dropped_generator(fiber_core& dropped) noexcept {
    auto& core = static_cast<generator_core&>(dropped);
    core.unowned = true;
    // Held by its caller, whose resume() gives it back.
    if (core.caller != nullptr && core.refs.load() == 0) retain(core);
    const bool again = std::exchange(core.exit_sent, true);
    if (core.state == fiber_state::suspended && core.caller == nullptr) {
        return kill_dropped(core);
    }
    // It waits for something, maybe while it cleans up after the first time.
    if (again) return;
    try {
        kill_here(core, std::make_exception_ptr(greenlet_exit{}));
    } catch (...) {
        report(std::current_exception(), "a generator that was dropped");
    }
}

generator_core& init_generator(generator_core& core) noexcept {
    // No parent: it would be held by its child, which it holds itself by the generator.
    core.dropped = kill_dropped_generator;
    return core;
}

void enter_generator(generator_core& core, std::exception_ptr error) {
    scheduler& s = *this_scheduler;
    fiber_core& caller = *s.current;
    // Nobody knows whether the body will park, and the caller wait for it.
    throw_interrupts();
    if (s.telling) {
        fail(errc::in_hub, "an exception hook would have to wait for the generator " +
                               describe(core));
    }
    fiber_core& at = core.inner != nullptr ? core.inner->self() : core;
    if (at.state != fiber_state::suspended && at.state != fiber_state::unstarted) {
        fail(errc::parked, "cannot resume the generator " + describe(core) +
                               ": something else was thrown into it, or resumed it");
    }
    const visit here(core, caller);
    at.inbound_error = std::move(error);
    s.transfer(at);
    after_raw_switch(caller);
    if (core.running) {
        // The hub wants its loop back, so the body has parked.
        fail(errc::in_hub, "the generator " + describe(core) +
                               " would have to wait, in a hub callback");
    }
}

void leave_generator(generator_core& core) {
    fiber_core& self = *this_scheduler->current;
    std::optional<inner_yield> inner;
    if (&self != &core) inner.emplace(core, self);
    core.running = false;
    if (fiber_core* const to = successor_of(core)) {
        raw_switch(*to);
    } else {
        this_scheduler->owner.switch_out();
    }
    if (inner) inner->require_outer();
}

void finish_generator(generator_core& core) noexcept {
    scheduler& s = *core.home;
    core.context = nullptr;
    s.complete(core);
    s.departing.push_back(core);
    drop_locals(core);
    core.finished = true;
    core.running = false;
    if (core.inner != nullptr) core.inner->outer_is_over();
    // From another thread it is dropped by its last reference, here.
    const bool unowned = core.unowned || core.parent != nullptr;
    if (unowned && core.error && !is_greenlet_exit(core.error)) {
        report(std::exchange(core.error, nullptr), "a generator that was dropped");
    }
    s.heir = successor_of(core);
}

void drop_generator(generator_core& core) noexcept {
    if (core.home != this_scheduler) return release(core);
    core.unowned = true;
    if (core.running) {
        if (core.caller != nullptr || core.state != fiber_state::suspended) {
            kill_dropped_generator(core);
        }
        // With a caller, resume() does.
        if (core.caller == nullptr) release(core);
        return;
    }
    if (core.started && !core.finished) {
        core.exit_sent = true;
        exit_dropped(core, core.inner != nullptr ? core.inner->self() : core);
        // Unless it ends another one in its turn, which will come back to it.
        if (core.state == fiber_state::suspended && core.refs.load() == 1) {
            return report_lost(core);
        }
    }
    release(core);
}

namespace {

// `at` is the body of `core`, or of a generator whose value such a body waits for.
bool is_body_of(const generator_core& core, const fiber_core* at) noexcept {
    while (at != &core) {
        if (at == nullptr || at->dropped != kill_dropped_generator) return false;
        at = static_cast<const generator_core*>(at)->caller;
    }
    return true;
}

}  // namespace

void require_idle(const generator_core* core) {
    if (core == nullptr) {
        fail(errc::not_startable, "an empty generator, moved from, was resumed");
    }
    require_own_thread(*core, "resume the generator");
    if (core->running) {
        fail(errc::parked, "the generator " + describe(*core) +
                               " was resumed while it was running or waiting");
    }
}

void require_yield(const generator_core& core) {
    require_own_thread(core, "yield for the generator");
    const fiber_core& self = *this_scheduler->current;
    if (is_body_of(core, &self)) return;
    fail(errc::not_parked, describe(self) + " yielded a value for the generator " +
                               describe(core) + ", which does not wait for it");
}

}  // namespace tendril::detail
