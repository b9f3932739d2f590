// timeout.hpp - a limit on everything that a scope waits for.
//
//     timeout limit(2s);                      // covers the rest of this block
//     std::size_t n = socket.recv(buffer);    // throws timed_out when 2 s are over
//
// When the time has come, an exception is thrown into the fiber that made the scope, at
// whatever it is parked in then, or at its next park. It happens once. A body that
// never parks is never interrupted. Leaving the scope disarms it, also if its exception
// was on its way but not thrown yet.
//
// Scopes nest in any order of deadlines. timed_out says which one it is from; one that
// is not yours must go on:
//
//     catch (const timed_out& e) { if (!e.from(limit)) throw; ... }
//
// To get a value instead of an exception use with_timeout (below) or timeout::silent.
//
// Thread rule: lives and dies in one fiber, on its stack. If another one destroys it,
// or it outlives its own, the exception hook is told (errc::not_nested); on another
// thread, or with its exception on the way, that is std::terminate.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <tendril/runtime/clock.hpp>
#include <tendril/runtime/detail/fiber_core.hpp>
#include <tendril/runtime/detail/unique_function.hpp>
#include <tendril/runtime/error.hpp>
#include <tendril/runtime/timer_queue.hpp>

#include <chrono>
#include <concepts>
#include <exception>
#include <functional>
#include <optional>
#include <type_traits>
#include <utility>

namespace tendril {

namespace detail {

template <class F>
concept gives_value = std::invocable<F> && !std::is_void_v<std::invoke_result_t<F>>;

}  // namespace detail

class timeout : detail::timer_node, detail::interrupt {
  public:
    // Throws timed_out after `d`; `forever` never does.
    // THROWS  fiber_error: bad_argument for a negative, infinite or NaN duration;
    // in_hub.
    template <class Rep, class Period>
    explicit timeout(std::chrono::duration<Rep, Period> d)
        : timeout(d, std::exception_ptr()) {}

    // Throws a copy of `error` instead; the original lives as long as the scope.
    template <class Rep, class Period, detail::exception_object E>
    timeout(std::chrono::duration<Rep, Period> d, E&& error)
        : timeout(d, detail::pointer_to(std::forward<E>(error))) {}

    // A null `error` means timed_out.
    template <class Rep, class Period>
    timeout(std::chrono::duration<Rep, Period> d, std::exception_ptr error)
        : timeout(checked{detail::checked_duration(d)}, std::move(error)) {}

    timeout(const timeout&) = delete;
    timeout& operator=(const timeout&) = delete;
    ~timeout();

    // Armed, and not expired yet.
    bool pending() const noexcept { return armed(); }

    // The time has run out; the exception has been or will be thrown.
    bool expired() const noexcept { return expired_; }

    // As leaving the scope, but earlier.
    void cancel() noexcept;

    // Runs f() under a limit of its own and swallows that limit's exception, and only
    // that. True if f returned by itself.
    template <class Rep, class Period, std::invocable F>
    static bool silent(std::chrono::duration<Rep, Period> d, F&& f) {
        const auto& callable = f;
        if (detail::is_null_callable(callable)) {
            detail::fail(errc::bad_argument, "a time limit was given nothing to call");
        }
        timeout limit(d);
        try {
            std::invoke(std::forward<F>(f));
            return true;
        } catch (const timed_out& e) {
            if (!e.from(limit)) throw;
            return false;
        }
    }

  private:
    struct checked {
        duration value;
    };

    timeout(checked limit, std::exception_ptr error);

    detail::fiber_core* fiber_;
    std::exception_ptr error_;
    bool expired_ = false;
};

// f(), or nothing when it takes longer than `d`. For a void f use timeout::silent.
template <class Rep, class Period, detail::gives_value F>
std::optional<std::invoke_result_t<F>> with_timeout(
    std::chrono::duration<Rep, Period> d, F&& f) {
    const auto& callable = f;
    if (detail::is_null_callable(callable)) {
        detail::fail(errc::bad_argument, "with_timeout was given nothing to call");
    }
    std::optional<std::invoke_result_t<F>> result;
    timeout::silent(d, [&] { result.emplace(std::invoke(std::forward<F>(f))); });
    return result;
}

// f(), or `otherwise` when it takes longer than `d`. A timeout of a scope outside
// passes through, even if it comes first.
template <class Rep,
          class Period,
          detail::gives_value F,
          std::convertible_to<std::invoke_result_t<F>> V>
std::invoke_result_t<F> with_timeout(std::chrono::duration<Rep, Period> d,
                                     F&& f,
                                     V&& otherwise) {
    auto result = with_timeout(d, std::forward<F>(f));
    if (!result) return std::forward<V>(otherwise);
    return std::move(*result);
}

}  // namespace tendril
