// thread_pool.hpp - threads for calls that block: those that no fiber can wait for.
//
//     std::string text = blocking(read_file, path);  // this fiber waits, others run
//
//     thread_pool pool({.threads = 2});              // or a pool of one's own
//     future<int> f = pool.submit(factor, n);
//     f.wait();
//
// This is eventlet's tpool, and asyncio's to_thread and run_in_executor. Work begins in
// the order submitted. Callable and arguments are copied or moved in, as for spawn(),
// and are gone before whoever waits for the result goes on; what the call throws is
// thrown there, type and all. It runs in a copy of the caller's context
// (context_var.hpp), also where asyncio's run_in_executor would give it an empty one.
//
// What has begun cannot be ended from outside: cancel() of its future is false. What
// has not is taken out of the queue, and ends with greenlet_exit.
//
// While a fiber waits for such work, virtual time does not jump. Threads without work
// hide no deadlock.
//
// On its thread, the work is a main fiber; what it spawns there runs while the thread
// waits for more to do, and is killed when the pool closes.
//
// Thread rule: any thread; submit() that need not park, and try_submit(), also from hub
// callbacks.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <tendril/runtime/clock.hpp>
#include <tendril/runtime/park.hpp>
#include <tendril/runtime/spawn.hpp>
#include <tendril/sync/detail/pool_work.hpp>
#include <tendril/sync/future.hpp>
#include <tendril/sync/queue.hpp>

#include <chrono>
#include <concepts>
#include <cstddef>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>

namespace tendril {

// What becomes of work that has not begun when its pool is closed. Dropped: who waits
// for it is given fiber_error (abandoned).
enum class queued_work { finish, drop };

struct thread_pool_options {
    // At most; each is made when there is work and no thread is free. 0 is an error.
    std::ptrdiff_t threads = default_threads();
    // Work that may wait for a thread. When there is no room, submit() parks.
    std::size_t queue = unbounded;
    std::string name = "pool";  // of its threads, for debuggers; 15 bytes of it
    queued_work at_close = queued_work::finish;

    // Processors and four, but 32 at most.
    static std::ptrdiff_t default_threads();
};

namespace detail {
class pool_state;

[[noreturn]] void fail_null_work();

template <class F, class... Args>
auto bind_work(F&& f, Args&&... args) {
    const auto& callable = f;
    if (is_null_callable(callable)) fail_null_work();
    return bound_call<std::decay_t<F>, std::decay_t<Args>...>{
        {std::forward<F>(f), std::forward<Args>(args)...}};
}
}  // namespace detail

class thread_pool {
  public:
    // THROWS  fiber_error (bad_argument) for less than one thread.
    explicit thread_pool(thread_pool_options options = {});
    thread_pool(const thread_pool&) = delete;
    thread_pool& operator=(const thread_pool&) = delete;

    // As close(), and not interrupted; blocks the hub in a hub callback. By work of its
    // own: as if a deadline had passed.
    ~thread_pool();

    // Has f(args...) called by a thread of the pool. Parks while the queue is full.
    // THROWS  what is thrown into the fiber (nothing was submitted then); fiber_error:
    //         closed, bad_argument for a null callable, in_hub; std::system_error when
    //         no thread can be made; std::bad_alloc.
    template <class... Args, detail::spawnable<Args...> F>
    future<detail::spawn_result<F, Args...>> submit(F&& f, Args&&... args) {
        const auto work = make_work(std::forward<F>(f), std::forward<Args>(args)...);
        auto result = work->get_future();
        put(work);
        return result;
    }

    // The same, but an empty future where submit() would park; what was moved into it
    // is gone then.
    template <class... Args, detail::spawnable<Args...> F>
    future<detail::spawn_result<F, Args...>> try_submit(F&& f, Args&&... args) {
        const auto work = make_work(std::forward<F>(f), std::forward<Args>(args)...);
        auto result = work->get_future();
        return try_put(work) ? result : decltype(result)();
    }

    // No more work: submit() throws from here on, also where it waits for room. Parks
    // until all threads have ended, with what they do and, by `at_close`, with what is
    // queued. A kill of the caller ends the wait, not the closing.
    //
    // When `deadline` passes first, the pool is done with: false. Who waits for its
    // work, begun or not, is given fiber_error (abandoned); threads that are still in a
    // call come back to nothing and end by themselves, and what they use is their own.
    // THROWS  what is thrown into the fiber; fiber_error: in_hub; deadlock, when called
    //         by work of its own.
    bool close(time_point deadline = never);

    template <class Rep, class Period>
    bool close_for(std::chrono::duration<Rep, Period> d) {
        return close(detail::from_now(d));
    }

    // -- looking
    // What is true now may be otherwise as soon as another thread, or a park, comes in.

    // Threads that have been made and not ended.
    std::size_t threads() const noexcept;

    // Work that waits for one.
    std::size_t queued() const noexcept;

    // The calling thread is one of a pool, whichever.
    static bool on_worker() noexcept;

  private:
    template <class F, class... Args>
    static auto make_work(F&& f, Args&&... args) {
        auto call = detail::bind_work(std::forward<F>(f), std::forward<Args>(args)...);
        using R = detail::spawn_result<F, Args...>;
        return std::make_shared<detail::pooled_call<R, decltype(call)>>(
            std::move(call));
    }

    void put(const std::shared_ptr<detail::pool_work>& work);
    bool try_put(const std::shared_ptr<detail::pool_work>& work);
    void let_cancel(const std::shared_ptr<detail::pool_work>& work) const;

    std::shared_ptr<detail::pool_state> state_;
};

// Calls f(args...) in a thread, and parks this fiber meanwhile. Returns what it
// returns, throws what it throws. A kill, timeout or cancel frees the caller at once:
// if the call has begun, it runs on, and what it returns or throws goes nowhere; if
// not, it never does. On a thread of a pool, of whichever, f is just called.
// THROWS  also as thread_pool::submit().
template <class... Args, detail::spawnable<Args...> F>
detail::spawn_result<F, Args...> blocking(thread_pool& pool, F&& f, Args&&... args) {
    if (thread_pool::on_worker()) {
        return detail::bind_work(std::forward<F>(f), std::forward<Args>(args)...)();
    }
    if (detail::current_scheduler().on_loop()) detail::fail_in_hub("blocking");
    const auto result = pool.submit(std::forward<F>(f), std::forward<Args>(args)...);
    try {
        result.join();
    } catch (...) {
        result.cancel();
        detail::future_access::core(result)->forgive();
        throw;
    }
    return detail::future_access::take(result);
}

namespace detail {

// Of the process, made when first asked for. It never closes: at exit, what has begun
// and nobody waits for any more is not waited for.
thread_pool& default_thread_pool();

}  // namespace detail

// The same in a pool that all of the process has in common, with the default options.
template <class... Args, detail::spawnable<Args...> F>

requires(!std::same_as<std::remove_cvref_t<F>, thread_pool>)
    detail::spawn_result<F, Args...> blocking(F&& f, Args&&... args) {
    return blocking(detail::default_thread_pool(), std::forward<F>(f),
                    std::forward<Args>(args)...);
}

}  // namespace tendril
