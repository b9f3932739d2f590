// park.hpp - the only way a fiber leaves for its hub.
//
// A mutex, a socket read and a sleep differ only in who calls wake() later. Keep it so:
// one suspension point is what makes kills, timeouts and tracing right everywhere at
// once. (A raw greenlet switch is the user's own affair, below this.)
//
// The protocol, for whoever writes a new primitive:
//
//   1. The fiber makes a `waiter` in its own frame and puts it where a waker finds it.
//   2. It calls park(). The fiber is gone until somebody wakes that waiter.
//   3. A waker first takes the waiter out of that place (under the primitive's lock),
//      so that nobody else can, and then calls wake() exactly once, from any thread.
//   4. A kill or timeout calls the waiter's `abort` instead, on the fiber's own thread.
//      abort takes the waiter out of its place: true means no waker has it or will;
//      false means a wake is already on its way, and the interrupt has to wait its
//      turn.
//
// So each park ends in exactly one way, and a grant (a lock, an item) that has left the
// primitive is always received: the interrupt is then thrown at the next park.
//
// An interrupt is held back while the fiber unwinds from another exception: throwing
// into an unwinding is std::terminate.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <tendril/runtime/clock.hpp>
#include <tendril/runtime/detail/fiber_core.hpp>
#include <tendril/runtime/detail/scheduler.hpp>

#include <cstddef>
#include <string>

namespace tendril::detail {

[[noreturn]] void fail_in_hub(const char* what);

struct waiter : list_hook, letter {
    using abort_function = bool (*)(waiter&) noexcept;

    // `what` is for reports ("sleep", "mutex"). `carries` says that a wake hands
    // something over, so that an interrupt that comes after it must not be thrown here.
    // THROWS  fiber_error (in_hub) on the hub's own stack: it must never block.
    waiter(abort_function abort, const char* what, bool carries = false)
        : fiber(require_fiber(what)), abort(abort), what(what), carries(carries) {}

    waiter(const waiter&) = delete;
    waiter& operator=(const waiter&) = delete;

    fiber_core& fiber;
    abort_function abort;
    // The fiber of the same thread that it waits for; null if there is no such one, or
    // nobody knows. Null itself for what fibers do not hold.
    fiber_core* (*whom)(const waiter&) noexcept = nullptr;
    // For a fiber that waits for one of several ends: called in place of waking it.
    void (*told)(waiter&) noexcept = nullptr;
    const char* what;
    bool carries;
    bool limited = false;  // a timer ends it if nobody does

  protected:
    ~waiter() = default;

  private:
    static fiber_core& require_fiber(const char* what) {
        scheduler& s = current_scheduler();
        if (s.on_loop()) [[unlikely]]
            fail_in_hub(what);
        return *s.current;
    }
};

// " held by fiber 7 'writer'", or nothing.
std::string whom(const waiter& w);

// To be called before the park of a waiter with `whom`.
// THROWS  fiber_error (deadlock) if whoever it waits for waits for it, directly or by
//         others; the sentence names them all.
void require_no_cycle(const waiter& w);

// Leaves for the hub until `w` is woken.
// REQUIRES  `w` stands where its waker will find it.
// THROWS    what was thrown into the fiber; then `w` has left its place.
void park(waiter& w);

// The same, but false once `deadline` has passed and `w` has left its place unwoken.
bool park_by_timer(waiter& w, time_point deadline);

inline bool park_until(waiter& w, time_point deadline) {
    if (deadline != never) return park_by_timer(w, deadline);
    park(w);
    return true;
}

// As long as it lives, the calling fiber waits for what another thread does for it.
// That takes its time: a virtual clock does not jump meanwhile, and it is no deadlock.
class waits_elsewhere {
  public:
    waits_elsewhere() : count_(current_scheduler().waiting_elsewhere) { ++count_; }

    waits_elsewhere(const waits_elsewhere&) = delete;
    waits_elsewhere& operator=(const waits_elsewhere&) = delete;

    ~waits_elsewhere() { --count_; }

  private:
    std::size_t& count_;
};

void wake_elsewhere(waiter& w) noexcept;

// Makes the fiber of `w` ready: on its own thread by the ready queue, from another by
// its hub's mailbox.
// REQUIRES  `w` has left its place, so that this is the only call.
inline void wake(waiter& w) noexcept {
    fiber_core& woken = w.fiber;
    if (woken.home == this_scheduler) [[likely]] {
        woken.home->make_ready(woken);
    } else {
        wake_elsewhere(w);
    }
}

// Lets the other ready fibers run first. A kill is thrown here.
void yield_now();

// The same without the kill: for a call that has done its work already.
void let_others_run();

// The library itself has caught what was thrown into the calling fiber, and means it.
void forget_thrown() noexcept;

// Throws the oldest interrupt of the current fiber, if there is one and the fiber is
// not unwinding.
void throw_interrupts();

// Takes back an interrupt of `fiber` that has not been thrown. Nothing if it has been.
void withdraw(fiber_core& fiber, interrupt& i) noexcept;

}  // namespace tendril::detail
