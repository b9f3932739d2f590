// fiber_pool.hpp - a thread of fibers that others hand work to, so many at a time.
//
//     fiber_pool pool(20);
//     pool.start();
//     future<page> p = pool.submit(fetch, url);      // of any thread
//     p.wait();
//     pool.close();                                  // when all tasks have ended
//
// Each task is a fiber of the pool's own thread: it may park, and must not block (for
// what does there is submit_blocking). Tasks begin in the order submitted; those over
// the number wait for their turn.
//
// Thread rule: submit() on any thread, in tasks too; close() on any but the pool's own;
// start() before either.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <tendril/runtime/clock.hpp>
#include <tendril/runtime/error.hpp>
#include <tendril/runtime/spawn.hpp>
#include <tendril/sync/flag.hpp>
#include <tendril/sync/future.hpp>
#include <tendril/sync/hub_thread.hpp>
#include <tendril/sync/semaphore.hpp>
#include <tendril/sync/spawn_on.hpp>
#include <tendril/sync/thread_pool.hpp>
#include <tendril/sync/wait_queue.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

namespace tendril {

class fiber_pool {
  public:
    // Of so many tasks at a time.
    // THROWS  fiber_error (bad_argument) for less than one; std::bad_alloc.
    explicit fiber_pool(std::ptrdiff_t workers = 20);
    fiber_pool(const fiber_pool&) = delete;
    fiber_pool& operator=(const fiber_pool&) = delete;

    // As close() with no time left: what has not ended is killed and waited for.
    // REQUIRES  no other call is going on; not called in a task.
    ~fiber_pool() = default;

    // Starts the thread.
    // THROWS  as hub_thread; fiber_error: not_startable the second time, closed.
    void start();

    // f(args...) as a task; they are moved in, or copied. future::cancel() kills it, or
    // takes it out of line. Does not park.
    // THROWS  as spawn_on; fiber_error: not_startable before start(), closed.
    template <class... Args, detail::spawnable<Args...> F>
    future<detail::spawn_result<F, Args...>> submit(F&& f, Args&&... args) {
        const auto& callable = f;
        if (detail::is_null_callable(callable)) {
            detail::fail(errc::bad_argument, "a fiber_pool was given nothing to call");
        }
        using Call = detail::bound_call<std::decay_t<F>, std::decay_t<Args>...>;
        task<Call> t{counted(hold()),
                     Call{{std::forward<F>(f), std::forward<Args>(args)...}}};
        return thread_->spawn(spawn_options{.where = {}}, std::move(t));
    }

    // The same for a call that blocks its thread: the task waits, in its turn, while a
    // thread of blocking() makes it (thread_pool.hpp). When the task is killed, a call
    // that has begun runs on, and what it returns goes nowhere.
    template <class... Args, detail::spawnable<Args...> F>
    future<detail::spawn_result<F, Args...>> submit_blocking(F&& f, Args&&... args) {
        return submit([call = detail::bind_work(std::forward<F>(f),
                                                std::forward<Args>(args)...)]() mutable
                      -> decltype(auto) { return blocking(std::move(call)); });
    }

    // Parks until all tasks have ended, and the thread with them. At `deadline` the
    // rest is killed, as at the end of any thread: each gets a second to clean up. From
    // the beginning on, nothing can be submitted. False if tasks have been killed.
    // Fibers that tasks have left behind are not waited for. May be called again.
    // THROWS  what is thrown into the caller: the pool is closed then, but its tasks go
    //         on; fiber_error: in_hub, bad_argument in a task.
    bool close(time_point deadline = never);

    template <class Rep, class Period>
    bool close_for(std::chrono::duration<Rep, Period> d) {
        return close(detail::from_now(d));
    }

  private:
    // That of the tasks, or of their thread if that comes first.
    struct ending {
        void come() noexcept {
            all_done = under_way == 0;
            over.set();
        }

        flag over;
        std::atomic<long> under_way{0};  // tasks
        bool all_done = false;           // when the thread came to its end
    };

    // What the tasks have in common. The pool holds it until it is closed, and each
    // task to its end: when it goes, all have ended.
    struct tasks {
        tasks(std::ptrdiff_t workers, std::shared_ptr<ending> end)
            : slots(workers), end(std::move(end)) {}

        tasks(const tasks&) = delete;
        tasks& operator=(const tasks&) = delete;

        ~tasks() { end->over.set(); }

        semaphore slots;
        std::shared_ptr<ending> end;
    };

    // Counts while it is there.
    class counted {
      public:
        explicit counted(std::shared_ptr<tasks> all) : all_(std::move(all)) {
            ++all_->end->under_way;
        }

        counted(counted&& other) noexcept = default;
        counted& operator=(counted&& other) = delete;

        ~counted() {
            if (all_) --all_->end->under_way;
        }

        semaphore& slots() const noexcept { return all_->slots; }

      private:
        std::shared_ptr<tasks> all_;
    };

    template <class Call>
    struct task {
        counted one;
        Call call;

        decltype(auto) operator()() {
            const slot mine(one.slots());
            return call();
        }
    };

    class slot {
      public:
        explicit slot(semaphore& s) : of_(s) { of_.acquire(); }

        slot(const slot&) = delete;
        slot& operator=(const slot&) = delete;

        ~slot() { of_.release(); }

      private:
        semaphore& of_;
    };

    // THROWS  fiber_error: not_startable, closed.
    std::shared_ptr<tasks> hold() const;

    // Null once closed.
    std::shared_ptr<tasks> held() const noexcept;

    mutable wait_queue::lock lock_;
    std::shared_ptr<tasks> open_;  // under the lock
    std::shared_ptr<ending> end_;
    std::optional<hub_thread> thread_;
};

}  // namespace tendril
