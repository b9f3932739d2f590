// switch.hpp - the switch, whole: what a fiber owns is put away, the stack is left, and
// what the other one owns is taken up.
//
// Inline, because a call is dear here: the processor predicts returns by a stack of its
// own, which knows nothing of ours, so each `ret` between a switch and the next one is
// likely to be mispredicted.
//
// Included by the .cpp files of runtime only.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <tendril/runtime/detail/context.hpp>
#include <tendril/runtime/detail/scheduler.hpp>
#include <tendril/runtime/error.hpp>

#include <utility>

// A function that changes stacks must not keep a sanitizer's notes about one of them.
// Elsewhere what is between a park and the jump must not be called: see above.
#if defined(TENDRIL_ASAN)
#define TENDRIL_SWITCHES_STACKS __attribute__((no_sanitize("address"), noinline))
#define TENDRIL_IN_THE_SWITCH TENDRIL_SWITCHES_STACKS
#elif defined(TENDRIL_TSAN)
#define TENDRIL_SWITCHES_STACKS __attribute__((no_sanitize("thread"), noinline))
#define TENDRIL_IN_THE_SWITCH TENDRIL_SWITCHES_STACKS
#else
#define TENDRIL_SWITCHES_STACKS
#define TENDRIL_IN_THE_SWITCH __attribute__((always_inline))
#endif

namespace tendril::detail {

TENDRIL_IN_THE_SWITCH inline void scheduler::arrive(void* sp,
                                                    fiber_core* from) noexcept {
    if (from != nullptr) from->sp = sp;
    fiber_core& self = *current;
    sanitizer_arrive(self.sanitizer, from != nullptr ? &from->sanitizer : nullptr);
    exceptions->caught = self.saved_caught;
    exceptions->uncaught = self.saved_uncaught;
    *error_number = self.saved_errno;
    speculated = 0;
    unswitched.store(false, std::memory_order_relaxed);
    if (errands) [[unlikely]]
        run_errands();
}

TENDRIL_IN_THE_SWITCH inline void scheduler::transfer(fiber_core& to) {
    fiber_core& from = *current;
    from.saved_caught = exceptions->caught;
    from.saved_uncaught = exceptions->uncaught;
    from.saved_errno = *error_number;
    left = &from;
    current = &to;
    to.state = fiber_state::running;
    sanitizer_leave(from.sanitizer, to.sanitizer, false);
    const arrival a = jump(to.sp, from);
    arrive(a.sp, a.from);
}

// Keeps what is on its way to the current fiber while something else happens on its
// stack first, which may switch: a call of the tracer, or the end of a dropped
// greenlet.
class in_flight {
  public:
    explicit in_flight(scheduler& s) noexcept
        : s_(s),
          self_(*s.current),
          inbox_(std::exchange(self_.inbox, nullptr)),
          awaits_(self_.awaits),
          error_(std::exchange(self_.inbound_error, nullptr)),
          tracer_error_(std::exchange(s.throw_on_arrival, nullptr)),
          interrupted_(std::exchange(self_.interrupted, false)) {}

    in_flight(const in_flight&) = delete;
    in_flight& operator=(const in_flight&) = delete;

    ~in_flight() {
        if (s_.throw_on_arrival) report(std::move(s_.throw_on_arrival), "a tracer");
        self_.inbox = inbox_;
        self_.awaits = awaits_;
        self_.inbound_error = std::move(error_);
        s_.throw_on_arrival = std::move(tracer_error_);
        self_.interrupted = interrupted_;
    }

  private:
    scheduler& s_;
    fiber_core& self_;
    void* inbox_;
    const std::type_info* awaits_;
    std::exception_ptr error_;
    std::exception_ptr tracer_error_;
    bool interrupted_;
};

[[gnu::always_inline]] inline fiber_core& scheduler::next_to_run() noexcept {
    if (budget == 0 || ready.empty()) return loop;
    runnable& next = ready.front();
    if (next.call != nullptr) return loop;
    --budget;
    ready.pop_front();
    // The one after it, where it will be resumed: with many fibers that is not in the
    // cache, and there is just time to fetch it.
    if (!ready.empty() && ready.front().call == nullptr) {
        const auto& later = static_cast<const fiber_core&>(ready.front());
        __builtin_prefetch(later.sp);
        __builtin_prefetch(static_cast<const std::byte*>(later.sp) + 64);
        __builtin_prefetch(later.next_ready);
    }
    return static_cast<fiber_core&>(next);
}

[[gnu::always_inline]] inline void scheduler::leave() {
    fiber_core& to = next_to_run();
    if (&to == current) {
        to.state = fiber_state::running;
        unswitched.store(false, std::memory_order_relaxed);  // it would have
        return;
    }
    transfer(to);
    report_tracer();
}

inline void scheduler::report_tracer() noexcept {
    if (throw_on_arrival) [[unlikely]] {
        report(std::exchange(throw_on_arrival, nullptr), "a tracer");
    }
}

[[gnu::always_inline]] inline void scheduler::rotate() {
    make_ready(*current);
    leave();
}

}  // namespace tendril::detail
