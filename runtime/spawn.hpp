// spawn.hpp - start a function as a fiber of this thread.
//
//     spawn(reader, std::move(socket));              // a function and its arguments
//     auto f = spawn([&] { return parse(text); });   // f.wait() is the result
//     spawn({.name = "reader", .stack_size = 64 * 1024}, reader, std::move(socket));
//
// A spawned fiber does not run before its spawner parks or yields; fibers start in the
// order they were spawned. Function and arguments are copied or moved in, as for
// std::thread; say std::ref to share one. None of these calls parks; all may be called
// from hub callbacks.
//
// Cost: a stack from the hub's pool (see stack.hpp) and no heap allocation, unless the
// callable with its arguments is over a kilobyte.
//
// THROWS  std::bad_alloc when memory has run out; fiber_error (bad_argument) for a null
//         callable, a stack size under the minimum, or a negative duration. The first
//         call on a thread makes its hub, see hub::current.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <tendril/runtime/clock.hpp>
#include <tendril/runtime/detail/call_site.hpp>
#include <tendril/runtime/detail/scheduler.hpp>
#include <tendril/runtime/fiber.hpp>
#include <tendril/runtime/hub.hpp>

#include <chrono>
#include <concepts>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>

namespace tendril {

struct spawn_options {
    std::string name{};          // for messages and dumps
    std::size_t stack_size = 0;  // bytes; 0: the thread's default
    call_site where = call_site::current();
};

namespace detail {

enum class on_failure { keep, report };

// A callable with its arguments, called once.
template <class F, class... Args>
struct bound_call {
    std::tuple<F, Args...> parts;

    decltype(auto) operator()() {
        return std::apply(
            [](auto&... p) -> decltype(auto) { return std::invoke(std::move(p)...); },
            parts);
    }
};

template <class R, class Call>
struct spawn_block final : result_block<R> {
    explicit spawn_block(Call&& c, on_failure policy)
        : call(std::move(c)), policy(policy) {
        this->body = run;
        this->discard = [](fiber_core& core) noexcept {
            auto& self = static_cast<spawn_block&>(core);
            self.call.reset();
            if constexpr (!std::is_void_v<R>) self.result.reset();
        };
    }

    static void run(fiber_core& core) {
        auto& self = static_cast<spawn_block&>(core);
        try {
            if constexpr (std::is_void_v<R>) {
                (*self.call)();
            } else {
                self.result.emplace((*self.call)());
            }
        } catch (...) {
            core.failure = std::current_exception();
            if (self.policy == on_failure::report) report_at_once(core);
        }
        self.call.reset();
        finish_fiber(core);
    }

    std::optional<Call> call;
    on_failure policy;
};

// Above this the callable lives on the heap, so that a fiber's control block and first
// frames stay within one page.
inline constexpr std::size_t largest_callable = 1024;

template <class R, class Call>
fiber_core& place_fiber(const spawn_options& o, Call&& call, on_failure policy) {
    if constexpr (sizeof(Call) > largest_callable) {
        auto boxed = [box = std::make_unique<Call>(std::forward<Call>(
                          call))]() -> decltype(auto) { return (*box)(); };
        return place_fiber<R>(o, std::move(boxed), policy);
    } else {
        return make_core<spawn_block<R, Call>>(fiber_kind::spawned, o.stack_size,
                                               o.where, std::forward<Call>(call),
                                               policy);
    }
}

// From the fiber that spawns it. REQUIRES and THROWS as below.
void inherit_deadline(fiber_core& core);

// Of a fiber that the caller alone holds. THROWS  std::bad_alloc, and it is gone then.
void set_initial_name(fiber_core& core, const std::string& name);

template <class F, class... Args>
using spawn_result = std::invoke_result_t<std::decay_t<F>, std::decay_t<Args>...>;

template <class R>
using stored_result =
    std::conditional_t<std::is_reference_v<R>,
                       std::reference_wrapper<std::remove_reference_t<R>>,
                       R>;

// An unstarted fiber with one reference, the caller's.
template <class F, class... Args>
fiber_core& make_fiber(const spawn_options& o,
                       on_failure policy,
                       F&& f,
                       Args&&... args) {
    const auto& callable = f;
    if (is_null_callable(callable)) {
        fail(errc::bad_argument, "spawn was given nothing to call");
    }
    using Call = bound_call<std::decay_t<F>, std::decay_t<Args>...>;
    using R = stored_result<spawn_result<F, Args...>>;
    fiber_core& core = place_fiber<R>(
        o, Call{{std::forward<F>(f), std::forward<Args>(args)...}}, policy);
    if (!o.name.empty()) set_initial_name(core, o.name);
    const fiber_core& parent = *this_scheduler->current;
    if (parent.context) [[unlikely]]
        core.context = parent.context;
    if (parent.layer != nullptr) [[unlikely]]
        inherit_deadline(core);
    return core;
}

template <class F, class... Args>
concept spawnable = std::invocable<std::decay_t<F>, std::decay_t<Args>...> &&
    !std::same_as<std::remove_cvref_t<F>, spawn_options>;

}  // namespace detail

// -- with a handle to the result

template <class... Args, detail::spawnable<Args...> F>
fiber<detail::spawn_result<F, Args...>> spawn(const spawn_options& o,
                                              F&& f,
                                              Args&&... args) {
    detail::fiber_core& core = detail::make_fiber(
        o, detail::on_failure::keep, std::forward<F>(f), std::forward<Args>(args)...);
    core.home->make_ready(core);
    return detail::fiber_access::handle<detail::spawn_result<F, Args...>>(core);
}

template <detail::spawnable F>
fiber<detail::spawn_result<F>> spawn(F&& f, call_site where = call_site::current()) {
    return spawn(spawn_options{.where = where}, std::forward<F>(f));
}

// With arguments; where it was spawned shows only with spawn_options.
template <class First, class... Args, detail::spawnable<First, Args...> F>
fiber<detail::spawn_result<F, First, Args...>> spawn(F&& f,
                                                     First&& first,
                                                     Args&&... args) {
    return spawn(spawn_options{.where = {}}, std::forward<F>(f),
                 std::forward<First>(first), std::forward<Args>(args)...);
}

// -- without a result

// As spawn, for functions whose result nobody wants: what they throw (greenlet_exit
// excepted) goes to the exception hook at once.
template <class... Args, detail::spawnable<Args...> F>
any_fiber spawn_n(const spawn_options& o, F&& f, Args&&... args) {
    detail::fiber_core& core = detail::make_fiber(
        o, detail::on_failure::report, std::forward<F>(f), std::forward<Args>(args)...);
    core.home->make_ready(core);
    return detail::fiber_access::handle<void>(core);
}

template <detail::spawnable F>
any_fiber spawn_n(F&& f, call_site where = call_site::current()) {
    return spawn_n(spawn_options{.where = where}, std::forward<F>(f));
}

template <class First, class... Args, detail::spawnable<First, Args...> F>
any_fiber spawn_n(F&& f, First&& first, Args&&... args) {
    return spawn_n(spawn_options{.where = {}}, std::forward<F>(f),
                   std::forward<First>(first), std::forward<Args>(args)...);
}

// -- later

// As spawn, but the fiber becomes ready only once `d` has passed. Until then cancel()
// and kill() end it without a trace.
template <class Rep, class Period, class... Args, detail::spawnable<Args...> F>
fiber<detail::spawn_result<F, Args...>> spawn_after(
    const spawn_options& o,
    std::chrono::duration<Rep, Period> d,
    F&& f,
    Args&&... args) {
    const time_point when =
        detail::after(hub::current().now(), detail::checked_duration(d));
    detail::fiber_core& core = detail::make_fiber(
        o, detail::on_failure::keep, std::forward<F>(f), std::forward<Args>(args)...);
    auto handle = detail::fiber_access::handle<detail::spawn_result<F, Args...>>(core);
    detail::start_after(core, when, nullptr);
    return handle;
}

template <class Rep, class Period, class... Args, detail::spawnable<Args...> F>
fiber<detail::spawn_result<F, Args...>> spawn_after(
    std::chrono::duration<Rep, Period> d, F&& f, Args&&... args) {
    return spawn_after(spawn_options{.where = {}}, d, std::forward<F>(f),
                       std::forward<Args>(args)...);
}

// As spawn_after, but if the spawning fiber has ended by then, the new one is
// cancelled.
template <class Rep, class Period, class... Args, detail::spawnable<Args...> F>
fiber<detail::spawn_result<F, Args...>> spawn_after_local(
    std::chrono::duration<Rep, Period> d, F&& f, Args&&... args) {
    const time_point when =
        detail::after(hub::current().now(), detail::checked_duration(d));
    detail::fiber_core& core =
        detail::make_fiber(spawn_options{.where = {}}, detail::on_failure::keep,
                           std::forward<F>(f), std::forward<Args>(args)...);
    auto handle = detail::fiber_access::handle<detail::spawn_result<F, Args...>>(core);
    detail::start_after(core, when, detail::this_scheduler->current);
    return handle;
}

}  // namespace tendril
