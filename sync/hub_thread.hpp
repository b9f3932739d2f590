// hub_thread.hpp - a thread that runs a hub and nothing else, for as long as its owner
// keeps it: an event loop in a child thread.
//
//     hub_thread background({.name = "background"});
//     future<page> p = background.spawn(fetch, url);
//     draw_window();                       // this thread is free for other things
//     show(p.wait());
//
// The destructor stops it, and then whatever fibers are left there are killed and
// unwound, as at the end of any thread that has a hub: each gets a second to clean up.
//
// Waiting for the thread parks the fiber that waits; its hub goes on. (A thread without
// a hub, or a hub callback, may destroy it, too: that blocks.)
//
// Thread rule: any thread, its own fibers included; made and destroyed by others than
// those.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <tendril/runtime/clock.hpp>
#include <tendril/runtime/detail/call_site.hpp>
#include <tendril/runtime/detail/mailbox.hpp>
#include <tendril/runtime/error.hpp>
#include <tendril/runtime/hub.hpp>
#include <tendril/runtime/spawn.hpp>
#include <tendril/sync/flag.hpp>
#include <tendril/sync/spawn_on.hpp>
#include <tendril/sync/wait_queue.hpp>

#include <atomic>
#include <chrono>
#include <functional>
#include <string>
#include <thread>
#include <utility>

namespace tendril {

struct hub_thread_options {
    std::string name{};  // as debuggers and `top -H` show it: 15 bytes of it
    // Is told, on that thread, what ends it besides stop(): an exception thrown into
    // its main fiber (greenlet_exit excepted). Empty: the process's, see error.hpp.
    // What fibers and callbacks throw goes to the process's in any case.
    exception_hook on_error{};
    // Is called on that thread when it serves no more, before what is left there is
    // killed. REQUIRES  does not throw.
    std::function<void()> at_end{};
};

class hub_thread {
  public:
    // Starts the thread and waits until its hub is there, which nothing interrupts.
    // THROWS  std::system_error when there is no thread, or no descriptor for its hub;
    //         std::bad_alloc; fiber_error (in_hub) in a hub callback.
    explicit hub_thread(hub_thread_options o = {});
    hub_thread(const hub_thread&) = delete;
    hub_thread& operator=(const hub_thread&) = delete;

    // stop(), and waits for the end of the thread, which nothing interrupts.
    // REQUIRES  not called on the thread itself; every join() has come back.
    ~hub_thread();

    // Its hub, also for those who outlive it.
    const hub_handle& hub() const noexcept { return hub_; }

    // spawn_on(hub(), ...): the same arguments, the same future.
    // THROWS  as that: fiber_error (thread_exited) once the thread has ended.
    template <class... Args, detail::spawnable<Args...> F>
    auto spawn(const spawn_options& o, F&& f, Args&&... args) const {
        return spawn_on(hub_, o, std::forward<F>(f), std::forward<Args>(args)...);
    }

    template <detail::spawnable F>
    auto spawn(F&& f, call_site where = call_site::current()) const {
        return spawn_on(hub_, std::forward<F>(f), where);
    }

    template <class First, class... Args, detail::spawnable<First, Args...> F>
    auto spawn(F&& f, First&& first, Args&&... args) const {
        return spawn_on(hub_, std::forward<F>(f), std::forward<First>(first),
                        std::forward<Args>(args)...);
    }

    // hub_handle::post there.
    // THROWS  as that.
    void post(hub_handle::callback f) const { hub_.post(std::move(f)); }

    // Asks it to end; what is running there then is killed. Nothing if it has been
    // asked already, or has ended. Neither parks nor allocates.
    void stop() noexcept;

    // It has ended.
    bool done() const noexcept { return ended_.is_set(); }

    // Called on the thread itself.
    bool is_current() const noexcept;

    // Parks until it has ended: stopped by this, or by hub::stop() there, and all that
    // was left there unwound. False if `deadline` came first.
    // THROWS  what is thrown into the caller; fiber_error: in_hub, bad_argument on the
    //         thread itself.
    bool join(time_point deadline = never);

    template <class Rep, class Period>
    bool join_for(std::chrono::duration<Rep, Period> d) {
        return join(detail::from_now(d));
    }

  private:
    struct beginning;

    hub_handle start(hub_thread_options o);
    void run(const hub_thread_options& o, beginning& b) noexcept;

    detail::letter stop_;
    std::atomic<bool> asked_{false};
    flag ended_;
    tendril::hub* running_ = nullptr;  // what hub_ holds
    std::jthread thread_;
    hub_handle hub_;
};

}  // namespace tendril
