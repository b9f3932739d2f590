// hub.hpp - one thread's event loop: made on first use, never passed around.
//
// Every thread that sleeps, spawns or touches a socket has a hub. Its turn is:
//
//   run ready fibers (a budget of them) -> take what other threads posted -> fire due
//   timers -> look for I/O -> if nothing is ready, sleep until the next deadline
//
// Callbacks run on the hub's own stack, one at a time, and must not block: a call that
// would park there is a fiber_error (in_hub). To block, spawn a fiber from the
// callback. A callback that throws is reported (set_exception_hook) and the hub goes
// on.
//
//     auto& h = tendril::hub::current();
//     h.call_later(100ms, [] { std::puts("tick"); });
//     h.run_forever();                      // until somebody calls h.stop()
//
// main() is a fiber like any other: it may sleep, wait and do I/O without run_forever.
//
// When the thread ends, fibers that are still there are killed (greenlet_exit) and
// unwound on it, and callbacks still to come are dropped: what they refer to may be
// gone. See runtime/README.md.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <tendril/runtime/clock.hpp>
#include <tendril/runtime/detail/brief_watch.hpp>
#include <tendril/runtime/detail/callback.hpp>
#include <tendril/runtime/detail/doorbell.hpp>
#include <tendril/runtime/detail/mailbox.hpp>
#include <tendril/runtime/detail/quiet_threads.hpp>
#include <tendril/runtime/detail/scheduler.hpp>
#include <tendril/runtime/driver.hpp>
#include <tendril/runtime/hub_handle.hpp>
#include <tendril/runtime/slow_callback.hpp>
#include <tendril/runtime/timer.hpp>
#include <tendril/runtime/timer_queue.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include <pthread.h>
#include <sys/types.h>

namespace tendril {

class hub;

namespace detail {
struct hub_hook : list_hook {
    hub* owner = nullptr;
};

class readiness;
class signal_callbacks;
}  // namespace detail

class hub {
  public:
    using callback = hub_handle::callback;

    // This thread's hub; makes it at the first call.
    // THROWS  std::system_error when there are no descriptors for it, std::bad_alloc;
    //         fiber_error (forked) in the child of a fork.
    static hub& current();

    hub(const hub&) = delete;
    hub& operator=(const hub&) = delete;

    // -- callbacks: on this hub's thread only
    // All throw fiber_error: bad_argument for a null callback or a negative duration,
    // wrong_thread when called from another thread (that is what post() is for).

    // Runs `f` in turn with the ready fibers, first come first served.
    timer call_soon(callback f);

    // Runs `f` once `d` has passed. Equal deadlines run in the order they were armed.
    template <class Rep, class Period>
    timer call_later(std::chrono::duration<Rep, Period> d, callback f) {
        return arm(detail::after(now(), detail::checked_duration(d)), std::move(f),
                   false);
    }

    // Runs `f` at `when`; a time gone by means the next turn.
    timer call_at(time_point when, callback f) {
        return arm(when, std::move(f), false);
    }

    // As call_later, but nothing runs if the calling fiber has ended by then.
    template <class Rep, class Period>
    timer call_later_local(std::chrono::duration<Rep, Period> d, callback f) {
        return arm(detail::after(now(), detail::checked_duration(d)), std::move(f),
                   true);
    }

    // -- descriptors: on this hub's thread only

    // Calls `f` each time that the hub looks and `fd`, of a pipe, socket, eventfd or
    // terminal, can be read without blocking (or has failed, or hung up), until it is
    // removed. One for each descriptor and direction: another takes its place. It has
    // to be removed before the descriptor is closed. A net::socket that fibers use is
    // for them alone: that both wait for one descriptor is not noticed.
    // THROWS  fiber_error: second_waiter if a fiber waits there, bad_argument for a
    //         null callback, wrong_thread; std::system_error: bad_file_descriptor,
    //         operation_not_permitted for regular files; std::bad_alloc.
    void add_reader(int fd, callback f) { watch(fd, read, std::move(f)); }

    // The same for writing.
    void add_writer(int fd, callback f) { watch(fd, write, std::move(f)); }

    // With arguments, kept as copies; where it was given does not show then.
    template <class F, class First, class... Rest>
    void add_reader(int fd, F f, First first, Rest... rest) {
        add_reader(fd, bound(std::move(f), std::move(first), std::move(rest)...));
    }

    template <class F, class First, class... Rest>
    void add_writer(int fd, F f, First first, Rest... rest) {
        add_writer(fd, bound(std::move(f), std::move(first), std::move(rest)...));
    }

    // False if there was none. Any callback may remove any, itself too.
    // THROWS  fiber_error (wrong_thread).
    bool remove_reader(int fd) { return unwatch(fd, read); }

    bool remove_writer(int fd) { return unwatch(fd, write); }

    // Parks until `fd` can be read, or written, without blocking, or has failed. False
    // if `deadline` came first. One fiber for each direction; whoever is quicker may
    // leave nothing for it. The descriptor must not be closed meanwhile.
    // THROWS  as add_reader(), and second_waiter if there is a callback; in_hub; what
    //         is thrown into the caller.
    bool wait_readable(int fd, time_point deadline = never);
    bool wait_writable(int fd, time_point deadline = never);

    // -- signals: on this hub's thread only

    // Calls `f` when `signal` has come, once for all that have since it was called
    // last, and also when the hub sleeps. Unlike a handler of the C library's, it may
    // do anything but block. One for each signal in the process: the last one given, on
    // whichever hub. System calls that the signal interrupts go on (SA_RESTART).
    // THROWS  fiber_error: bad_argument for what cannot be handled, SIGKILL and SIGSTOP
    //         too, or a null callback; wrong_thread; std::bad_alloc.
    void add_signal_handler(int signal, callback f);

    // What handled the signal before does so again. False if there was none, or the
    // signal is another hub's by now.
    // THROWS  fiber_error (wrong_thread).
    bool remove_signal_handler(int signal);

    // -- from any thread, while this hub's thread lives

    // See hub_handle, which is for threads that cannot know that.
    void post(callback f);

    hub_handle handle() noexcept { return hub_handle(scheduler_.main); }

    // -- for the fiber that has nothing to do

    // Parks the caller while everything else runs, until stop().
    // THROWS  what is thrown into the caller (kill, timeout); fiber_error: in_hub,
    //         wrong_thread, already_set when another fiber is in it.
    void run_forever();

    // Ends run_forever(), or the next one if none is going on. Any thread.
    void stop();

    // Leaves for the hub without arranging to be woken: somebody must switch_to() or
    // throw_in() the caller's greenlet. eventlet's idiom, word for word:
    //
    //     auto me = greenlet<>::current();
    //     hub::current().call_later(1s, [me]() mutable { me.switch_to(); });
    //     hub::current().switch_out();
    //
    // Parks. THROWS  what is thrown in, a kill and a timeout too; fiber_error: in_hub,
    // wrong_thread.
    void switch_out();

    // -- looking at it

    time_point now() const noexcept { return source_ ? source_->now() : clock::now(); }

    // Fibers and greenlets of this thread that have not ended, main not counted.
    std::size_t live_fibers() const noexcept { return scheduler_.living_count; }

    // Armed timers: sleeps, timeouts, call_later.
    std::size_t armed_timers() const noexcept { return timers_.size(); }

    // Tells of each callback that takes longer than `limit`; `forever`, as at first:
    // of none. An empty `tell` prints a line to stderr. See slow_callback.hpp.
    // THROWS  fiber_error: bad_argument for a negative limit, wrong_thread;
    //         std::bad_alloc.
    void set_slow_callback(duration limit, slow_callback_hook tell = {});

    // Stacks in use: live fibers, and ended ones with a handle left.
    std::size_t stacks_in_use() const noexcept {
        return scheduler_.stacks.in_use() - 1;
    }

  private:
    friend struct detail::scheduler;
    friend struct hub_internals;

    hub();
    ~hub();

    static constexpr auto read = detail::direction::read;
    static constexpr auto write = detail::direction::write;

    template <class F, class... Args>
    static callback bound(F f, Args... args) {
        return callback(
            [f = std::move(f), ... args = std::move(args)]() mutable {
                std::invoke(f, args...);
            },
            call_site{});
    }

    detail::readiness& make_readiness();
    void watch(int fd, detail::direction d, callback f);
    bool unwatch(int fd, detail::direction d);
    bool wait_for(int fd, detail::direction d, time_point deadline);
    bool waits_for_descriptors() const noexcept;
    bool serve_descriptors() noexcept;
    bool waits_for_io() const noexcept;
    void drop_standing_callbacks() noexcept;
    timer arm(time_point when, callback f, bool local);
    void require_own_thread(const char* call) const;
    void loop();
    void begin_turn();
    void pace_fibers() noexcept;
    void pace(duration took) noexcept;
    void run_ready();
    void run_by_chance();
    void run_one(detail::runnable& next);
    detail::letter* take_letters() noexcept;
    void open_letters(detail::letter* l);
    void fire_timers();
    void look_for_io();
    void sleep_until_something();
    void sleep_by_source(time_point deadline);
    bool may_count_threads() const noexcept;
    time_point next_look_at_threads() noexcept;
    void wait_unless_called(time_point deadline);
    void wait_for_io(time_point deadline);
    void serve_signals();
    void hide_thread() noexcept;  // from watchdogs
    void close() noexcept;
    bool idle() const noexcept;
    bool waits_for_outside() const noexcept;
    void kill_all() noexcept;
    void abandon(detail::fiber_core& core, const char* how) noexcept;
    void keep_from_running(detail::fiber_core& core) noexcept;
    void forget_callbacks() noexcept;

    // A callback that has switched to a fiber stands on the loop's stack until the loop
    // gets a turn; the thread's end unwinds it as it does the fibers.
    void unwind_callback() noexcept;

    detail::hub_hook in_process_;  // among all hubs
    pthread_t thread_;             // its own
    pid_t thread_id_;              // 0 once it ends; under the lock of all hubs
    unsigned requests_seen_;       // of signal handlers
    unsigned dumps_seen_;          // likewise
    detail::scheduler scheduler_;
    detail::timer_queue timers_;
    detail::mailbox mail_;
    detail::quiet_mark quiet_;
    detail::brief_watch watch_;
    detail::doorbell& bell_;
    std::unique_ptr<detail::readiness> readiness_;       // null before its first use
    std::unique_ptr<detail::signal_callbacks> signals_;  // likewise
    std::unique_ptr<detail::driver> driver_;
    detail::time_source* source_ = nullptr;
    duration thread_look_{};
    unsigned turn_budget_ = detail::scheduler::budget_per_turn;
    bool paced_by_next_turn_ = false;
    time_point last_look_{};
    bool just_looked_ = false;
    detail::waiter* forever_ = nullptr;  // the fiber in run_forever
    bool stop_requested_ = false;
    bool told_of_deadlock_ = false;  // since a fiber ran last

    // Why fibers that would not die have ended all the same, and what they had. Held
    // here, and not only on their stacks, for leak checkers.
    std::vector<std::exception_ptr> lost_;
    std::vector<detail::fiber_extras*> lost_extras_;
};

// The doors that the rest of runtime and net use into a hub. Not for users.
struct hub_internals {
    static hub& make();
    static void close_this_thread() noexcept;

    static detail::timer_queue& timers(hub& h) noexcept { return h.timers_; }

    static detail::scheduler& scheduler(hub& h) noexcept { return h.scheduler_; }

    // Null: the system's clock. Returns the one before.
    static detail::time_source* set_time_source(hub& h,
                                                detail::time_source* s) noexcept {
        return std::exchange(h.source_, s);
    }

    static detail::driver& driver(hub& h) noexcept { return *h.driver_; }

    static detail::doorbell& bell(hub& h) noexcept { return h.bell_; }

    // THROWS  as driver::listen_to().
    static void set_driver(hub& h, std::unique_ptr<detail::driver> d);

    static void run_loop(hub& h) { h.loop(); }

    // There is nothing left to wait for. True if something may have changed now: the
    // main fiber is ready, to throw that. See deadlock.hpp.
    static bool tell_of_deadlock(hub& h) noexcept;

    static void destroy(hub& h) noexcept { delete &h; }

    // What a watchdog sees of a hub.
    struct watch_point {
        std::uint64_t id;
        bool has_fibers;
        bool asleep;  // waits for something to happen
        std::atomic<bool>& unswitched;
        pthread_t thread;
        pid_t thread_id;
    };

    static watch_point watch(hub& h) noexcept;

    // Calls f for each hub of the process whose thread is there, and stays so
    // meanwhile.
    static void for_each_hub(const std::function<void(hub&)>& f);

    // See quiet_threads.hpp.
    static detail::quiet_mark& quiet(hub& h) noexcept { return h.quiet_; }

    // A stop() that no run_forever() has seen.
    static void forget_stop(hub& h) noexcept { h.stop_requested_ = false; }

    // Only a letter can make it do anything. Its own thread.
    static bool only_waits(hub& h) noexcept;

    static bool has_letters(const hub& h) noexcept { return !h.mail_.empty(); }

    // Puts a letter into the hub's mailbox and wakes the hub if it sleeps. Any thread.
    // False if the hub's thread has ended.
    static bool send(hub& h, detail::letter& l) noexcept;
};

}  // namespace tendril
