// scheduler.hpp - one thread's fibers: which runs, which are ready, and the switch.
//
// transfer() is the only place where one stack is left for another. Fibers hop straight
// to the next ready one; the hub's loop has a stack of its own, entered when nothing is
// ready, when a callback is due, or when `budget` hops have been made, so that ready
// fibers cannot starve timers and I/O.
//
// What must happen after a stack is left happens on the stack arrived at, first thing:
// the stack pointer of the one left is stored, and a dead one's memory is given back
// (run_errands), which is why a fiber can free the stack it ended on.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <tendril/runtime/clock.hpp>
#include <tendril/runtime/detail/fiber_core.hpp>
#include <tendril/runtime/detail/unique_function.hpp>
#include <tendril/runtime/trace.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

namespace tendril {

class hub;

namespace detail {

class ready_queue {
  public:
    bool empty() const noexcept { return first_ == nullptr; }

    void push_back(runnable& r) noexcept {
        r.next_ready = nullptr;
        *last_ = &r;
        last_ = &r.next_ready;
    }

    void push_front(runnable& r) noexcept {
        if (empty()) return push_back(r);
        r.next_ready = first_;
        first_ = &r;
    }

    runnable& front() noexcept { return *first_; }

    void pop_front() noexcept {
        first_ = first_->next_ready;
        if (first_ == nullptr) last_ = &first_;
    }

    template <class F>
    void for_each(F f) {
        for (runnable* at = first_; at != nullptr; at = at->next_ready) f(*at);
    }

    // REQUIRES  it is in here.
    void take(const runnable& member) noexcept {
        runnable** at = &first_;
        // NOLINTNEXTLINE(clang-analyzer-core.NullDereference): required above
        while (*at != &member) at = &(*at)->next_ready;
        *at = member.next_ready;
        if (*at == nullptr) last_ = at;
    }

  private:
    runnable* first_ = nullptr;
    runnable** last_ = &first_;
};

class choices;
struct slow_callback_rule;
struct stack_use_log;

struct scheduler {
    explicit scheduler(hub& owner);
    scheduler(const scheduler&) = delete;
    scheduler& operator=(const scheduler&) = delete;
    ~scheduler();

    // Hops made before the hub's loop gets its turn, at most. Fewer while those take
    // long, see hub::pace.
    static constexpr unsigned budget_per_turn = 64;

    fiber_core* current = nullptr;
    unsigned budget = 0;
    // I/O calls that succeeded without parking since the last switch.
    unsigned speculated = 0;
    time_point turn_began =
        clock::now();  // of the hub's loop: what time it is, roughly
    // Set by a watchdog, taken back by every switch.
    std::atomic<bool> unswitched{false};
    // Something to do on the next arrival: a stack to give back, a greenlet that nobody
    // holds, a tracer to call.
    bool errands = false;
    unsigned chances = 0;       // left of the turn, if there are any:
    choices* chance = nullptr;  // a test's, see choices.hpp
    ready_queue ready;
    fiber_core* heir = nullptr;       // where an ending greenlet goes; null: the hub
    fiber_core* abandoned = nullptr;  // left by a raw switch, and held by nobody
    stack zombie;                     // of the fiber that departed last
    sanitizer_state zombie_sanitizer;
    exception_globals* exceptions;        // this thread's
    int* error_number;                    // this thread's errno
    std::shared_ptr<tracer> trace;        // see trace.hpp; null: none
    fiber_core* left = nullptr;           // the fiber left last, null if it ended
    std::uint64_t ended_id = 0;           // then its id, for the tracer
    std::exception_ptr throw_on_arrival;  // out of the tracer, for the fiber it ran in

    hub& owner;
    fiber_core loop;                    // the hub's own stack
    fiber_core main;                    // the thread's own stack
    intrusive_list<fiber_core> living;  // started or not, not yet done
    // Changed by its own thread only.
    std::atomic<std::size_t> living_count{0};
    // Fibers that wait for what other threads do for them, see waits_elsewhere.
    std::size_t waiting_elsewhere = 0;
    // Done, but links, or destructors of what they leave behind, still run on their
    // stacks, and may park.
    intrusive_list<fiber_core> departing;
    intrusive_list<waiter> watching_departures;
    std::uint64_t next_id;
    stack_pool stacks;
    std::unique_ptr<stack_use_log> stack_uses;  // null before it is first recorded
    std::shared_ptr<const slow_callback_rule> slow_callbacks;  // null: none is told of
    // Once the thread has ended: blocks that others still hold, plus one for the thread
    // itself while it closes. Whoever takes it to zero deletes the hub.
    std::atomic<std::size_t> orphans{0};
    bool recording_stack_use = false;  // see stack.hpp
    bool telling = false;              // the exception hook, in a park
    bool ending = false;  // the thread's own code is over; its fibers are being unwound
    std::atomic<bool> closing{false};  // they have been; nothing runs any more

    // Leaves the current stack for `to`. Returns when somebody comes back.
    void transfer(fiber_core& to);

    // The next ready fiber, or the loop when there is none, a callback is next, or the
    // budget is spent.
    fiber_core& next_to_run() noexcept;

    // What the tracer threw on arrival here goes to the exception hook.
    void report_tracer() noexcept;

    // Leaves for it. The caller has seen to it that the current fiber will be woken.
    void leave();

    void make_ready(fiber_core& core) noexcept {
        core.state = fiber_state::ready;
        ready.push_back(core);
    }

    void make_ready_next(fiber_core& core) noexcept {
        core.state = fiber_state::ready;
        ready.push_front(core);
    }

    // Puts the current fiber at the end of the ready queue and leaves. No kill check.
    void rotate();

    // The body of the current fiber is over: gives up its own reference and says where
    // control goes, for good. The block may be gone when this returns.
    fiber_core& settle_end();

    // First code on any stack that is switched to.
    void arrive(void* sp, fiber_core* from) noexcept;

    void run_errands() noexcept;

    // A greenlet leaves by a raw switch: if nobody holds it, whoever arrives next ends
    // it.
    void note_if_abandoned(fiber_core& self) noexcept {
        if (self.kind == fiber_kind::greenlet &&
            self.refs.load(std::memory_order_acquire) == 0) {
            abandoned = &self;
            errands = true;
        }
    }

    // A block has been constructed at `memory.top()`: give it a context and an
    // identity.
    void adopt(fiber_core& core, fiber_kind kind, stack memory, call_site site);

    // The body of `core` is over (or never will run): wakes those who wait for its end.
    void complete(fiber_core& core) noexcept;

    // The thread ends, and with it its main fiber and the loop, whose handles may live
    // on.
    void end_main() noexcept;

    // Destroys what is the user's in the block of the current fiber, which has ended.
    void empty(fiber_core& core) noexcept;

    // It has departed.
    void see_off(fiber_core& core) noexcept;

    // Parks until no fiber whose id is `begin` or later is departing. False if
    // `deadline` came first.
    bool wait_for_departures(std::uint64_t begin, time_point deadline);

    // Destroys the block and gives the stack back. Home thread, not on that stack.
    void free_block(fiber_core& core) noexcept;

    // Throws `i` into `core`, which has started: now if it has left and may be
    // interrupted, else at its next park. True if it has been made ready, at the front
    // of the queue.
    bool interrupt_fiber(fiber_core& core, interrupt& i) noexcept;

    // The same for what it has to find out by itself: a cancelled scope.
    bool alert(fiber_core& core) noexcept;

    bool on_loop() const noexcept { return current == &loop; }

    // A block whose thread has ended, given back by another.
    void free_orphan(fiber_core& core) noexcept;

    void unreferenced(fiber_core& core) noexcept;
    void call_tracer() noexcept;
};

// The first interrupt of `core` that no shield of its own holds off; null if none.
interrupt* first_due(fiber_core& core) noexcept;

// There is something to be thrown into it, unless it is unwinding.
bool anything_due(fiber_core& core) noexcept;

// Sets `alerted`: there are interrupts, a scope is cancelled, something that was thrown
// in may have been swallowed, or the fiber holds a lock that it must not leave with.
void refresh_alert(fiber_core& core) noexcept;

// Tells what locks of the C library `core` holds as it leaves to wait for `what`. Null
// without a lock_check.
inline std::atomic<void (*)(fiber_core& core, const char* what) noexcept>
    tell_held_locks{nullptr};

// Takes away what is to be thrown into a fiber that has ended.
void drop_interrupts(fiber_core& core) noexcept;

// This thread's scheduler, made on first use (with the hub).
scheduler& make_this_scheduler();

inline scheduler& current_scheduler() {
    scheduler* const s = this_scheduler;
    return s != nullptr ? *s : make_this_scheduler();
}

// Gives a reference back. True if it was the last one and the core is at home, so that
// the caller has to call unreferenced().
inline bool gives_last(fiber_core& core) noexcept {
    // Nobody can add a reference to one that only the caller holds; but whoever cancels
    // a scope that it is in.
    if (core.home == this_scheduler && core.layer == nullptr &&
        core.refs.load(std::memory_order_acquire) == 1) {
        core.refs.store(0, std::memory_order_relaxed);
        return true;
    }
    release_shared(core);
    return false;
}

inline void release(fiber_core& core) noexcept {
    if (gives_last(core)) core.home->unreferenced(core);
}

// Constructs a Core (derived from fiber_core) on a stack of `size` bytes, 0 = default.
template <class Core, class... Args>
Core& make_core(fiber_kind kind, std::size_t size, call_site site, Args&&... args) {
    scheduler& s = current_scheduler();
    // A block of some size needs a larger stack, or there is none left for frames,
    // which will have copies of what it is made for.
    if constexpr (sizeof(Core) > 2048) {
        if (size == 0) size = s.stacks.default_size();
        stack_pool::require_size(size);
        size += 4 * sizeof(Core);
    }
    const stack memory = s.stacks.take(size);
    constexpr std::size_t alignment = alignof(Core) > 64 ? alignof(Core) : 64;
    std::byte* at = memory.top() - sizeof(Core);
    at -= reinterpret_cast<std::uintptr_t>(at) % alignment;
    Core* core = nullptr;
    try {
        core = ::new (at) Core(std::forward<Args>(args)...);
    } catch (...) {
        s.stacks.give_back(memory);
        throw;
    }
    core->destroy = [](fiber_core& c) noexcept { static_cast<Core&>(c).~Core(); };
    s.adopt(*core, kind, memory, site);
    return *core;
}

}  // namespace detail
}  // namespace tendril
