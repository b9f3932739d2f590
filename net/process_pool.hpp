// process_pool.hpp - other processes for calls that compute: one can crash, and the
// rest goes on.
//
//     int main() {
//         process_pool pool({.processes = 2});           // before any other thread
//         future<long> f = pool.submit(&count_primes, 1, 1'000'000);
//         f.wait();                                      // parks; others run
//     }
//
// This is ProcessPoolExecutor. Workers are forks of this process as it was when the
// pool was made: a function is called by its address, its arguments and its result
// cross as bytes. What the call throws comes back as a remote_error. A worker that dies
// fails the call that it was in, with worker_died, and is replaced.
//
// Calls begin in the order submitted. One that has begun cannot be ended from outside:
// cancel() of its future is false. One that has not never does, and ends with
// greenlet_exit. Dropping the future, or a kill of who waits for it, changes nothing.
//
// A worker has what a new program would have: default signal handlers (but Ctrl-C is
// for the parent), and no descriptor that is close-on-exec. It ends by _exit(), so that
// no destructor or atexit handler of the parent's runs in it; what a call writes by
// stdio is flushed when it is over. Its stack is as large as the one that the pool was
// made on: that of main() is the system's, a fiber's is small. If the process had a hub
// when the pool was made, fibers in a worker are a fiber_error (forked). A call that
// itself calls exit() does run the parent's static destructors, in the worker: _exit().
//
// The workers are children of a process of their own (tendril-zygote). If that is ended
// from outside, they end with it: the calls that they are in fail with worker_died, and
// each call from then on with std::system_error. So does one that needs a descriptor,
// or a process, where there is none left.
//
// The pool's own fibers have none of the deadlines of the fiber that makes it.
//
// Thread rule: submit(), call() and close() from fibers of any thread. The thread that
// made the pool moves the bytes, so its hub has to get turns.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <tendril/net/detail/process_call.hpp>
#include <tendril/net/detail/wire.hpp>
#include <tendril/runtime/clock.hpp>
#include <tendril/sync/future.hpp>
#include <tendril/sync/wait_queue.hpp>

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace tendril {

// What a call has thrown in a worker; what() is as it was there, or empty for what is
// no std::exception.
class remote_error : public std::runtime_error {
  public:
    remote_error(std::string type, const std::string& what)
        : std::runtime_error(what), type_(std::move(type)) {}

    // "std::out_of_range".
    const std::string& type() const noexcept { return type_; }

  private:
    std::string type_;
};

// The worker has ended before the call was over.
class worker_died : public std::runtime_error {
  public:
    // `status` is as waitpid() has it, -1 if it is not known.
    explicit worker_died(int status);

    // What has killed it; 0 if nothing has, or nobody knows.
    int signal() const noexcept { return signal_; }

  private:
    int signal_;
};

struct process_pool_options {
    std::ptrdiff_t processes = default_processes();  // 0 is an error
    // What the destructor leaves for work to end by itself.
    duration grace = std::chrono::seconds(5);

    // As many as there are processors.
    static std::ptrdiff_t default_processes();
};

namespace detail {
class process_crew;
}

class process_pool {
  public:
    using bytes = std::vector<std::byte>;
    using task_function = std::function<bytes(std::span<const std::byte>)>;

    // Forks. Output that stdio has buffered is written out first. Parks until the
    // workers are there.
    // THROWS  fiber_error: bad_argument for less than one process, or a negative grace;
    //         has_threads if the process has any other thread; in_hub;
    //         std::system_error.
    explicit process_pool(process_pool_options options = {});
    process_pool(const process_pool&) = delete;
    process_pool& operator=(const process_pool&) = delete;

    // As close() with the `grace` of its options, and not interrupted. In a hub
    // callback, that goes on in a fiber of its own. Nothing in the child of a fork.
    ~process_pool();

    // Has f(args...) called in a worker. Parameters and result: trivially copyable
    // (with no pointers inside), std::string, or std::vector<std::byte>, by value or by
    // reference to const; a result by value, or void. A lambda without captures:
    // +[](int n) {...}. Does not park.
    //
    // REQUIRES  f is of this program, or of a library loaded before the pool was made.
    // THROWS  fiber_error: closed; bad_argument for a null function; forked in a worker
    //         or another child of a fork. std::bad_alloc.
    template <class R, class... P, class... Args>
    future<R> submit(R (*f)(P...), Args&&... args) {
        static_assert(
            std::is_constructible_v<std::tuple<std::remove_cvref_t<P>...>, Args...>,
            "the function takes other arguments");
        static_assert(std::is_void_v<R> || detail::crosses_processes<R>,
                      "the result cannot cross to another process");
        static_assert((!detail::writes_to_caller<P> && ...),
                      "what is written to such a reference stays in the worker");
        static_assert((detail::crosses_processes<std::remove_cvref_t<P>> && ...),
                      "an argument cannot cross to another process");
        if (f == nullptr) fail_null();
        using called = detail::process_function<R, P...>;
        return put<R>(called::run, called::request(f, std::forward<Args>(args)...));
    }

    // Makes a function known by a name, in pools that are made after this. The last one
    // of a name counts. Any thread.
    // THROWS  fiber_error (bad_argument) for a null function.
    static void task(std::string name, task_function f);

    // Has such a function called in a worker.
    // THROWS  as submit(); fiber_error (bad_argument) for a name that nobody knows.
    future<bytes> call(std::string_view name, std::span<const std::byte> argument);

    future<bytes> call(std::string_view name, std::string_view argument) {
        return call(name, std::as_bytes(std::span(argument)));
    }

    // No more work: submit() throws from here on. Parks until what was submitted is
    // done, and all workers have ended. A kill of the caller ends the wait, not the
    // closing. When `deadline` passes first, workers are killed: false, and who waits
    // for what was not done is given fiber_error (abandoned). That takes a second at
    // most.
    // THROWS  what is thrown into the fiber; fiber_error: in_hub, forked. It is not
    //         closed then by the latter two.
    bool close(time_point deadline = never);

    template <class Rep, class Period>
    bool close_for(std::chrono::duration<Rep, Period> d) {
        return close(detail::from_now(d));
    }

  private:
    template <class R>
    future<R> put(detail::process_entry entry, bytes request) {
        auto call =
            std::make_shared<detail::process_call_of<R>>(entry, std::move(request));
        const std::weak_ptr<detail::process_call_of<R>> weak = call;
        auto result = call->get_future();
        const auto core = detail::future_access::core(result);
        core->set_elsewhere();
        core->set_canceller([weak] {
            const auto c = weak.lock();
            if (!c || !c->claim()) return false;
            c->fail(std::make_exception_ptr(greenlet_exit{}));
            return true;
        });
        put(std::move(call));
        return result;
    }

    [[noreturn]] static void fail_null();
    void require_own_process() const;
    void put(std::shared_ptr<detail::process_call> call);

    duration grace_;
    std::shared_ptr<detail::process_crew> crew_;
};

}  // namespace tendril
