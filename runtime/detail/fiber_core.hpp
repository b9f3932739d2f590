// fiber_core.hpp - the control block: one for everything that can be switched to.
//
// It sits at the top of its own stack, so that making a fiber is taking a stack from
// the pool and nothing more:
//
//    high  +----------------------+ <- stack::end()
//          | stagger              |    0 to 31 cache lines, see stack_pool.hpp
//          | Core (this, functor, |
//          |       result)        |
//          | frames               |
//          |   ...                |
//    low   +----------------------+ <- stack::bottom, above the guard
//
// A spawned fiber, a greenlet, a thread's main() and a hub's own loop each have one;
// the last two borrow a stack or a block (see scheduler.hpp).
//
// Thread rule: only the home thread touches a core, except for `refs`, `done` and what
// distant joiners use, which are for everybody, and `kind`, `id`, `home`, `site`, which
// do not change once it is made.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <tendril/runtime/clock.hpp>
#include <tendril/runtime/detail/call_site.hpp>
#include <tendril/runtime/detail/intrusive_list.hpp>
#include <tendril/runtime/detail/mailbox.hpp>
#include <tendril/runtime/detail/sanitizer.hpp>
#include <tendril/runtime/detail/spin_lock.hpp>
#include <tendril/runtime/detail/stack_pool.hpp>

#include <atomic>
#include <cstdint>
#include <exception>
#include <memory>
#include <string>
#include <string_view>
#include <typeinfo>

namespace tendril::detail {

struct cancel_layer;
struct context_values;
struct fiber_core;
struct scheduler;
struct fiber_extras;
struct waiter;

// What stands in a ready queue: a fiber (call is null), or a callback that the hub's
// own stack has to run.
struct runnable {
    runnable* next_ready = nullptr;
    void (*call)(runnable&) = nullptr;
};

// __cxa_eh_globals of the Itanium C++ ABI.
struct exception_globals {
    void* caught = nullptr;
    unsigned uncaught = 0;
};

// An exception on its way into a fiber, thrown where the fiber parks. It stays in the
// fiber's list until then, so that two of them are two throws, oldest first.
struct interrupt : list_hook {
    // How many shields its sender is inside of; those further in hold it off.
    std::uint16_t depth = 0;
    void (*raise)(interrupt&) = nullptr;          // throws; no longer in a list
    void (*drop)(interrupt&) noexcept = nullptr;  // the fiber ended first
};

enum class fiber_kind : std::uint8_t { loop, main, spawned, greenlet };

enum class fiber_state : std::uint8_t {
    unstarted,  // has a stack, has never run
    ready,      // in the ready queue
    running,    // current on its thread
    parked,     // left for the hub; `waiting` says for what
    suspended,  // left by a raw greenlet switch, or by hub::switch_out
    done,       // its body is over
};

// A list_hook of scheduler::living, and then of departing; a letter when its last
// reference, given back on another thread, travels home.
struct fiber_core : runnable, list_hook, letter {
    // -- what a switch touches: one cache line
    void* sp = nullptr;  // saved stack pointer while not running
    // The C++ runtime keeps the exceptions being handled per thread. Fibers may switch
    // inside a catch block or while unwinding, so each carries its own; without this a
    // bare `throw;` after a switch would rethrow another fiber's exception.
    void* saved_caught = nullptr;
    unsigned saved_uncaught = 0;
    int saved_errno = 0;
    scheduler* home = nullptr;
    waiter* waiting = nullptr;  // in the parked frame
    fiber_state state = fiber_state::unstarted;
    fiber_kind kind = fiber_kind::spawned;
    bool started = false;
    bool alerted = false;       // park() has more to look at, see refresh_alert()
    bool interrupted = false;   // its wait was taken back: deliver on return from park
    bool stillborn = false;     // it has ended before it began
    bool cancel_due = false;    // it is inside a scope that is cancelled
    bool exit_due = false;      // a kill that there was no memory for
    bool holds_native = false;  // a lock of the C library, see lock_check.hpp
    std::uint16_t shields = 0;  // it is inside of
    std::uint16_t limits = 0;   // `timeout` scopes, likewise

    // -- what it is
    // Handles and whoever else must find the block. A fiber that has begun, or stands
    // in the ready queue, needs none to live: it is freed when it has ended and there
    // are none left, whichever comes last.
    std::atomic<unsigned> refs{1};
    std::atomic<bool> done{false};
    std::atomic<bool> failure_seen{false};            // somebody was given the failure
    void (*body)(fiber_core&) = nullptr;              // runs on its own stack, once
    void (*discard)(fiber_core&) noexcept = nullptr;  // destroys what is the user's
    void (*destroy)(fiber_core&) noexcept = nullptr;  // ends the lifetime of the block
    intrusive_list<interrupt> interrupts;             // not yet thrown
    std::shared_ptr<const context_values> context;    // see context_var.hpp
    cancel_layer* layer = nullptr;   // the innermost scope or shield it is in
    intrusive_list<waiter> joiners;  // who waits for its end, on the home thread
    intrusive_list<waiter> distant_joiners;  // on others; under joiners_lock
    spin_lock joiners_lock;
    // There have been distant ones. Set before they look at `done`, looked at after
    // that is set: one of the two sees the other.
    std::atomic<bool> joined_from_afar{false};
    std::exception_ptr failure;    // how it ended, if not by returning
    fiber_core* parent = nullptr;  // greenlets: where control goes; held
    void (*dropped)(fiber_core&) noexcept = nullptr;  // left, and held by nobody
    // What the next raw switch to this one may leave for it before it jumps: a value,
    // into the std::optional that `inbox` points to, of the type `awaits`; or an error.
    void* inbox = nullptr;
    const std::type_info* awaits = nullptr;
    std::exception_ptr inbound_error;
    std::uint64_t id = 0;
    // The pool that it is a member of. Only compared.
    const void* member_of = nullptr;
    time_point since{};  // when it parked, as scheduler::turn_began was
    call_site site;
    fiber_extras* extras = nullptr;  // owned; see extras.hpp
    stack memory;
    [[no_unique_address]] sanitizer_state sanitizer;

    fiber_core() = default;
    fiber_core(const fiber_core&) = delete;
    fiber_core& operator=(const fiber_core&) = delete;
    ~fiber_core();
};

// Ids are unique in the process: the number of the hub, then a count.
inline constexpr unsigned hub_shift = 40;

inline void retain(fiber_core& core) noexcept {
    core.refs.fetch_add(1, std::memory_order_relaxed);
}

// This thread's scheduler, null before its first use.
inline thread_local scheduler* this_scheduler [[gnu::tls_model("initial-exec")]] =
    nullptr;

// Gives one reference back. The last one of an ended or unstarted fiber frees it; that
// of a suspended greenlet throws greenlet_exit into it first; any other fiber goes on.
// On another thread than the home one, the last reference travels home and is given
// back there.
inline void release(fiber_core& core) noexcept;
void release_shared(fiber_core& core) noexcept;

// "fiber 7 'reader' (made at server.cpp:31)"; without the name on other threads, where
// it might be changing.
std::string describe(const fiber_core& core);
std::string describe(fiber_kind kind,
                     std::uint64_t id,
                     std::string_view name,
                     const call_site& site);

// Tells the exception hook of a failure that nobody was given (greenlet_exit excepted).
// The end of every block comes by here, so each is told once.
void report_unseen(const fiber_core& core) noexcept;

// The same at once, for fibers whose failure nobody will ask for.
void report_at_once(fiber_core& core) noexcept;

}  // namespace tendril::detail
