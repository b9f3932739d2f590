// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/detail/fork_guard.hpp>
#include <tendril/runtime/detail/scheduled_call.hpp>
#include <tendril/runtime/error.hpp>
#include <tendril/runtime/hub.hpp>
#include <tendril/runtime/slow_callback.hpp>

#include <utility>

namespace tendril {
namespace detail {
namespace {

void fire(timer_node& t) {
    static_cast<scheduled_call&>(t).run();
}

void require_callable(const callback& f) {
    if (f) return;
    fail(errc::bad_argument, "a hub callback was scheduled with nothing to call");
}

void call_reporting(scheduler& s, callback& f, const char* where) noexcept {
    try {
        f();
    } catch (const greenlet_exit&) {
        if (!s.ending) report(std::current_exception(), where);
    } catch (...) {
        report(std::current_exception(), where);
    }
    require_parent();
}

void call_timed(scheduler& s, callback& f, const char* where) noexcept {
    const time_point began = s.owner.now();
    call_reporting(s, f, where);
    // The callback may have changed the rule, and telling may, too.
    const auto rule = s.slow_callbacks;
    if (rule != nullptr) tell_if_slow(*rule, f, s.owner.now() - began);
}

}  // namespace

scheduled_call* scheduled_call::make(scheduler& home, callback f, bool local) {
    require_callable(f);
    auto* const made = new scheduled_call(home, std::move(f));
    made->call = [](runnable& r) { static_cast<scheduled_call&>(r).run(); };
    made->fire = detail::fire;
    made->context = home.current->context;
    if (local) {
        made->creator = home.current;
        retain(*made->creator);
    }
    return made;
}

void run_callback(scheduler& s,
                  callback& f,
                  std::shared_ptr<const context_values> context,
                  const char* where) noexcept {
    s.loop.context = std::move(context);
    if (s.slow_callbacks == nullptr) [[likely]] {
        call_reporting(s, f, where);
    } else {
        call_timed(s, f, where);
    }
    s.loop.context = nullptr;
}

std::shared_ptr<standing_callback> make_standing(callback f) {
    require_callable(f);
    return std::make_shared<standing_callback>(
        standing_callback{std::move(f), this_scheduler->current->context});
}

void scheduled_call::run() noexcept {
    const bool creator_ended = creator != nullptr && creator->done.load();
    const bool too_late = creator_ended || home.ending != made_at_end;
    if (std::exchange(pending, false) && !too_late) {
        run_callback(home, f, std::move(context), "a hub callback");
    }
    forget();
}

bool scheduled_call::cancel() noexcept {
    if (!std::exchange(pending, false)) return false;
    f.reset();
    context = nullptr;
    // In the timer queue it can leave at once; in the ready queue it waits for its turn
    // to do nothing.
    if (armed()) {
        hub_internals::timers(home.owner).disarm(*this);
        forget();
    }
    return true;
}

void scheduled_call::forget() noexcept {
    pending = false;
    f.reset();
    context = nullptr;
    release_creator();
    drop_reference();
}

void scheduled_call::release_creator() noexcept {
    if (creator != nullptr) release(*std::exchange(creator, nullptr));
}

void forget_armed(timer_queue& timers) noexcept {
    timer_node* const t = timers.take_due(never, timers.newest());
    // Sleeps and timeouts live in frames, and no frame is left that will look at them.
    if (t->fire == fire) static_cast<scheduled_call*>(t)->forget();
}

}  // namespace detail

void detail::scheduled_call_deleter::operator()(scheduled_call* call) const noexcept {
    call->drop_reference();
}

timer::timer(const timer& other) noexcept : call_(other.call_.get()) {
    if (call_) ++call_->references;
}

timer& timer::operator=(timer other) noexcept {
    std::swap(call_, other.call_);
    return *this;
}

bool timer::pending() const noexcept {
    return call_ && call_->pending;
}

bool timer::cancel() noexcept {
    return call_ && call_->cancel();
}

}  // namespace tendril
