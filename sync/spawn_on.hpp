// spawn_on.hpp - start a function as a fiber of another thread's hub:
// asyncio.run_coroutine_threadsafe.
//
//     hub_handle there = ...;                        // of hub::handle() on that thread
//     future<int> f = spawn_on(there, parse, text);
//     f.wait();                                      // its result, or what it threw
//
// Any thread may call it, with fibers or without, and any may wait for the future. The
// function and its arguments are moved there and destroyed there, before those who wait
// go on. It begins with the caller's context (context_var.hpp), but with none of the
// caller's deadlines: use future::cancel().
//
// future::cancel() kills the fiber (greenlet_exit), which is what those who wait are
// given; one that has not begun never does. It does not wait for the end, and needs
// memory (std::bad_alloc).
//
// If that thread ends before, so does the future: with greenlet_exit, as the fiber did,
// or with fiber_error, abandoned if nothing of it had run and thread_exited if the
// fiber would not die.
//
// None of these calls parks; all may be called from hub callbacks.
//
// THROWS  fiber_error: thread_exited if that thread has ended, bad_argument for a null
//         callable; std::bad_alloc. What goes wrong there (a stack size under the
//         minimum, no memory for a stack) reaches those who wait.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <tendril/runtime/detail/call_site.hpp>
#include <tendril/runtime/error.hpp>
#include <tendril/runtime/fiber.hpp>
#include <tendril/runtime/hub.hpp>
#include <tendril/runtime/spawn.hpp>
#include <tendril/sync/future.hpp>

#include <atomic>
#include <exception>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

namespace tendril {

namespace detail {

// A call on its way to a hub, and then in a fiber there. Whoever holds it last may be
// on another thread; the rest is for the hub's own, but for `cancelled`.
class remote_call {
  public:
    remote_call() = default;
    remote_call(const remote_call&) = delete;
    remote_call& operator=(const remote_call&) = delete;
    virtual ~remote_call() = default;

    // In its fiber.
    virtual void run() noexcept = 0;

    // It will not run, or not to its end. Nothing if it has.
    virtual void fail(std::exception_ptr error) noexcept = 0;

    std::atomic<bool> cancelled{false};
    any_fiber fiber;  // from when it is spawned to its end
};

template <class R, class Call>
class typed_remote_call final : public remote_call {
  public:
    explicit typed_remote_call(Call&& c) : call_(std::move(c)) {}

    future<R> get_future() const noexcept { return result_.get_future(); }

    // REQUIRES  nobody has been given the future.
    void set_canceller(future_core::canceller c) noexcept {
        result_.set_canceller(std::move(c));
    }

    void run() noexcept override {
        if (stage_ != stage::waiting) return;
        if (cancelled.load()) return fail(std::make_exception_ptr(greenlet_exit{}));
        stage_ = stage::running;
        result_.keep_result_of(*call_, [this] {
            call_.reset();
            stage_ = stage::over;
        });
    }

    void fail(std::exception_ptr error) noexcept override {
        const stage before = std::exchange(stage_, stage::over);
        if (before == stage::over) return;
        // What has begun, and is given up, may still be pointed to from its stack.
        if (before == stage::waiting) call_.reset();
        result_.fail(std::move(error));
    }

  private:
    enum class stage { waiting, running, over };

    promise<R> result_;  // before the call, to go after it
    std::optional<Call> call_;
    stage stage_ = stage::waiting;
};

// THROWS  as spawn_on.
void send_call(const hub_handle& there,
               const spawn_options& o,
               std::shared_ptr<remote_call> call);

// What future::cancel() does; holds neither the call nor its future.
future_core::canceller canceller_of(const hub_handle& there,
                                    const std::shared_ptr<remote_call>& call);

}  // namespace detail

template <class... Args, detail::spawnable<Args...> F>
future<detail::spawn_result<F, Args...>> spawn_on(const hub_handle& there,
                                                  const spawn_options& o,
                                                  F&& f,
                                                  Args&&... args) {
    const auto& callable = f;
    if (detail::is_null_callable(callable)) {
        detail::fail(errc::bad_argument, "spawn_on was given nothing to call");
    }
    using R = detail::spawn_result<F, Args...>;
    using Call = detail::bound_call<std::decay_t<F>, std::decay_t<Args>...>;
    auto call = std::make_shared<detail::typed_remote_call<R, Call>>(
        Call{{std::forward<F>(f), std::forward<Args>(args)...}});
    call->set_canceller(detail::canceller_of(there, call));
    auto result = call->get_future();
    try {
        detail::send_call(there, o, std::move(call));
    } catch (...) {
        // Told to the caller, and to nobody else.
        detail::future_access::core(result)->forgive();
        throw;
    }
    return result;
}

template <detail::spawnable F>
future<detail::spawn_result<F>> spawn_on(const hub_handle& there,
                                         F&& f,
                                         call_site where = call_site::current()) {
    return spawn_on(there, spawn_options{.where = where}, std::forward<F>(f));
}

// With arguments; where it was spawned shows only with spawn_options.
template <class First, class... Args, detail::spawnable<First, Args...> F>
future<detail::spawn_result<F, First, Args...>> spawn_on(const hub_handle& there,
                                                         F&& f,
                                                         First&& first,
                                                         Args&&... args) {
    return spawn_on(there, spawn_options{.where = {}}, std::forward<F>(f),
                    std::forward<First>(first), std::forward<Args>(args)...);
}

}  // namespace tendril
