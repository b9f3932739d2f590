// scheduled_call.hpp - one callback given to call_soon, call_later or call_at.
//
// It has two owners: the queue it stands in, until it has run or been cancelled, and
// the timer handles. Both are of one thread, so the count needs no atomics.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <tendril/runtime/detail/callback.hpp>
#include <tendril/runtime/detail/scheduler.hpp>
#include <tendril/runtime/timer_queue.hpp>

namespace tendril::detail {

struct scheduled_call final : runnable, timer_node {
    // Two references: the queue's, and one for the handle.
    // THROWS  fiber_error (bad_argument) for a null callback.
    static scheduled_call* make(scheduler& home, callback f, bool local);

    // On the hub's stack: calls it, unless cancelled; errors go to the hook. One from
    // before its thread's end is not called after it: what it refers to may be gone.
    void run() noexcept;

    // True if that is what keeps it from running.
    bool cancel() noexcept;

    // The queue gives it up without running it.
    void forget() noexcept;

    void drop_reference() noexcept {
        if (--references == 0) delete this;
    }

    scheduler& home;
    callback f;
    std::shared_ptr<const context_values> context;  // of who scheduled it
    fiber_core* creator = nullptr;  // held; the callback is void once it has ended
    int references = 2;
    bool pending = true;
    bool made_at_end;  // of its thread, by a fiber that cleans up

  private:
    scheduled_call(scheduler& home, callback f) noexcept
        : home(home), f(std::move(f)), made_at_end(home.ending) {}

    ~scheduled_call() = default;
    void release_creator() noexcept;
};

// On the hub's stack: what f() throws goes to the hook, unless it is the kill that ends
// it with its thread. What it sets in its context ends with it.
void run_callback(scheduler& s,
                  callback& f,
                  std::shared_ptr<const context_values> context,
                  const char* where) noexcept;

// Takes one armed timer out of a queue whose thread is ending, without firing it.
void forget_armed(timer_queue& timers) noexcept;

}  // namespace tendril::detail
