// hub_end.cpp - the end of a thread that has a hub: its fibers, its callbacks, and what
// is left for others.
//
// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/detail/cancel_layer.hpp>
#include <tendril/runtime/detail/extras.hpp>
#include <tendril/runtime/detail/readiness.hpp>
#include <tendril/runtime/detail/scheduled_call.hpp>
#include <tendril/runtime/detail/signal_callbacks.hpp>
#include <tendril/runtime/detail/switch.hpp>
#include <tendril/runtime/error.hpp>
#include <tendril/runtime/fiber.hpp>
#include <tendril/runtime/greenlet.hpp>
#include <tendril/runtime/hub.hpp>
#include <tendril/runtime/park.hpp>

#include <chrono>
#include <exception>
#include <new>
#include <string>
#include <utility>

namespace tendril {

void hub::close() noexcept {
    hide_thread();
    scheduler_.ending = true;
    scheduler_.telling = false;  // after exit() in an exception hook
    // Its scopes and timeouts may still be there: after exit(), nobody leaves them.
    detail::forget_scopes(scheduler_.main);
    scheduler_.main.shields = UINT16_MAX;
    detail::drop_interrupts(scheduler_.main);
    // User code runs in here: fibers clean up, the destructors of locals, of what
    // callbacks and letters hold. It may spawn and post, but not for ever.
    constexpr int most_rounds = 100;
    for (int round = 0; round < most_rounds && !idle(); ++round) {
        drop_standing_callbacks();
        unwind_callback();
        kill_all();
        unwind_callback();
        detail::drop_locals(scheduler_.main);
        detail::drop_locals(scheduler_.loop);
        open_letters(mail_.take());
        forget_callbacks();
    }
    driver_.reset();
    readiness_.reset();
    scheduler_.closing = true;
    // Whatever still has a stack: ended fibers that other threads hold, and fibers that
    // would not die. The main fiber and the loop may be held, too. Counted before the
    // mailbox refuses, so that no drop is missed.
    scheduler_.orphans.store(stacks_in_use() + 3, std::memory_order_release);
    // From here on this thread gives references back as any other does.
    detail::this_scheduler = nullptr;
    scheduler_.end_main();
    open_letters(mail_.close());
    if (scheduler_.orphans.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
}

bool hub::idle() const noexcept {
    const auto has_locals = [](const detail::fiber_core& core) {
        return core.extras != nullptr && !core.extras->locals.empty();
    };
    const detail::scheduler& s = scheduler_;
    return s.living.empty() && s.departing.empty() && s.ready.empty() &&
           timers_.empty() && mail_.empty() && !waits_for_descriptors() &&
           (signals_ == nullptr || signals_->empty()) && !has_locals(s.main) &&
           !has_locals(s.loop) && s.loop.state != detail::fiber_state::suspended;
}

void hub::kill_all() noexcept {
    // A fiber may catch its kill and clean up with calls that park, for which it gets a
    // second. One that swallows its kill gets another, but not for ever.
    constexpr int rounds = 3;
    const auto all_gone = [&] {
        return scheduler_.living.empty() && scheduler_.departing.empty();
    };
    for (int round = 0; round < rounds && !all_gone(); ++round) {
        detail::kill_everything(scheduler_,
                                detail::after(now(), std::chrono::seconds(1)));
    }
    while (!scheduler_.living.empty()) {
        detail::fiber_core& core = scheduler_.living.front();
        abandon(core, " still alive, 3 kills later");
        // For those who wait for it on other threads.
        core.failure = lost_.empty() ? std::exception_ptr() : lost_.back();
        core.failure_seen = true;
        scheduler_.complete(core);
        detail::call_links(core);
    }
    while (!scheduler_.departing.empty()) {
        detail::fiber_core& core = scheduler_.departing.front();
        abandon(core, " ended, but not what it left behind");
        core.unlink();
    }
}

void hub::abandon(detail::fiber_core& core, const char* how) noexcept {
    // Its stack is not to be used again: nobody gives this back.
    detail::retain(core);
    std::exception_ptr error;
    try {
        const std::string text =
            "a thread has ended with " + describe(core) + how + "; its stack is lost";
        error = std::make_exception_ptr(fiber_error(errc::thread_exited, text));
        lost_.push_back(error);
    } catch (const std::bad_alloc&) {
        error = std::current_exception();
    }
    keep_from_running(core);
    // Its frames may point to these, and what is in them belongs to nobody else.
    try {
        if (core.extras != nullptr) lost_extras_.push_back(core.extras);
    } catch (const std::bad_alloc&) {
        // They are the block's, and stay there.
    }
    detail::report(std::move(error), "thread end");
}

// What it waits for does not find it any more, nor does the ready queue; and a wake
// that is on its way from another thread finds it done.
void hub::keep_from_running(detail::fiber_core& core) noexcept {
    // For whoever would hold the end of the wait back.
    const auto before = std::exchange(core.state, detail::fiber_state::done);
    if (before == detail::fiber_state::parked) core.waiting->abort(*core.waiting);
    detail::ready_queue others;
    while (!scheduler_.ready.empty()) {
        detail::runnable& r = scheduler_.ready.front();
        scheduler_.ready.pop_front();
        if (&r != &core) others.push_back(r);
    }
    while (!others.empty()) {
        detail::runnable& r = others.front();
        others.pop_front();
        scheduler_.ready.push_back(r);
    }
}

void hub::unwind_callback() noexcept {
    detail::fiber_core& loop = scheduler_.loop;
    if (loop.state != detail::fiber_state::suspended) return;
    loop.inbound_error = std::make_exception_ptr(greenlet_exit{});
    // Straight to the loop and back; nobody else gets a turn before.
    scheduler_.budget = 0;
    scheduler_.make_ready_next(scheduler_.main);
    scheduler_.leave();
}

void hub::forget_callbacks() noexcept {
    detail::ready_queue fibers;
    while (!scheduler_.ready.empty()) {
        detail::runnable& r = scheduler_.ready.front();
        scheduler_.ready.pop_front();
        if (r.call != nullptr) {
            static_cast<detail::scheduled_call&>(r).forget();
        } else if (auto& core = static_cast<detail::fiber_core&>(r); core.stillborn) {
            // Its turn, in which it would have gone, is now.
            core.state = detail::fiber_state::done;
            if (core.refs.load() == 0) scheduler_.unreferenced(core);
        } else if (!core.done) {
            fibers.push_back(core);  // somebody has just spawned it
        }
    }
    while (!fibers.empty()) {
        detail::runnable& r = fibers.front();
        fibers.pop_front();
        scheduler_.ready.push_back(r);
    }
    while (!timers_.empty()) detail::forget_armed(timers_);
}

}  // namespace tendril
