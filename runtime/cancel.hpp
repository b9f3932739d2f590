// cancel.hpp - ending a piece of work, and everything that it waits for, from outside.
//
//     cancel_scope search(5s);                       // or without a limit
//     auto found = search.run([&] { return look_everywhere(); });
//     if (!found) std::puts(search.cancelled_caught() ? "too late" : "");
//
// Somebody else, who knows the scope, may call search.cancel(): another fiber, another
// thread, a hub callback.
//
// A kill or a `timeout` is thrown once, and whoever catches it goes on. A cancelled
// scope is a state: from then on *every* call inside it that would park throws
// `cancelled`, until the scope is left; so code that catches what it should not, or
// whose clean-up waits for a dead peer, cannot hang. Clean-up that must wait does so in
// a shield, for a time:
//
//     catch (...) {
//         tendril::shield(1s, [&] { connection.say_goodbye(); });
//         throw;
//     }
//
// What throws is the waiting, not the calling: work that never parks is not ended, and
// what could be had at once is had. A grant that is on its way (a lock, an item) is
// received, and the next park throws.
//
// Scopes nest. `cancelled` leaves all scopes inside the outermost one that is
// cancelled, which catches it. A fiber that is spawned inside a scope inherits its
// deadline, if there is one: when it passes, the fiber's waits throw, and it ends
// quietly: whoever waits for its result is given its `cancelled`, join() just returns.
// It does not inherit cancel(): it is not inside.
//
// Like every exception that comes from outside, `cancelled` is no std::exception, and
// is never thrown while the fiber unwinds. In a destructor or noexcept function that
// parks, say `const tendril::uninterrupted here;`, or a kill there is std::terminate.
//
// Thread rule: a scope is the fiber's that runs in it; cancel(), cancel_called() and
// nothing else may be called from other threads, while the scope is there.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <tendril/runtime/clock.hpp>
#include <tendril/runtime/detail/cancel_layer.hpp>
#include <tendril/runtime/detail/unique_function.hpp>
#include <tendril/runtime/error.hpp>
#include <tendril/runtime/hub.hpp>

#include <chrono>
#include <concepts>
#include <cstddef>
#include <functional>
#include <optional>
#include <stdexcept>
#include <type_traits>
#include <utility>

namespace tendril {

// What fail_after() throws.
class deadline_exceeded : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

namespace detail {

template <class R>
using kept_result =
    std::conditional_t<std::is_reference_v<R>,
                       std::reference_wrapper<std::remove_reference_t<R>>,
                       R>;

// What f returns, or that it did not.
template <class F>
using or_not = std::conditional_t<std::is_void_v<std::invoke_result_t<F>>,
                                  bool,
                                  std::optional<kept_result<std::invoke_result_t<F>>>>;

template <class F>
or_not<F> run_inside(cancel_layer& layer, bool& caught, F&& f) {
    const auto& callable = f;
    if (is_null_callable(callable)) {
        fail(errc::bad_argument, "a cancel scope was given nothing to call");
    }

    struct inside {
        cancel_layer& layer;

        explicit inside(cancel_layer& l) : layer(l) { enter(layer); }

        ~inside() { leave(layer); }
    } const here(layer);

    try {
        if constexpr (std::is_void_v<std::invoke_result_t<F>>) {
            std::invoke(std::forward<F>(f));
            return true;
        } else {
            return or_not<F>(std::invoke(std::forward<F>(f)));
        }
    } catch (const cancelled& c) {
        if (!c.from(layer)) throw;
        caught = true;
        return {};
    }
}

[[noreturn]] void fail_late(duration limit);

// THROWS  fiber_error (bad_argument) for a shield without a limit in a cancelled scope.
void require_limit(duration limit);

}  // namespace detail

class cancel_scope {
  public:
    cancel_scope() noexcept : layer_(false) {}

    // Cancelled by itself once `d` has passed; the time runs from here.
    // THROWS  fiber_error (bad_argument) for a negative, infinite or NaN duration.
    template <class Rep, class Period>
    explicit cancel_scope(std::chrono::duration<Rep, Period> d)
        : cancel_scope(
              detail::after(hub::current().now(), detail::checked_duration(d))) {}

    explicit cancel_scope(time_point deadline) noexcept : layer_(false) {
        layer_.deadline = deadline;
    }

    cancel_scope(const cancel_scope&) = delete;
    cancel_scope& operator=(const cancel_scope&) = delete;

    // REQUIRES  nobody is inside, nor will be.
    ~cancel_scope() = default;

    // Calls f() inside. Returns what it returns, as an optional, or true; nothing, or
    // false, if `cancelled` of this scope came out of it. Once for each scope.
    // THROWS  what f throws; fiber_error: already_set the second time, in_hub,
    //         bad_argument for a null callable.
    template <std::invocable F>
    detail::or_not<F> run(F&& f) {
        return detail::run_inside(layer_, caught_, std::forward<F>(f));
    }

    // From here on, what waits inside throws; what waits now does so at once. Also
    // before run(). Any thread; does not park.
    // THROWS  from another thread: std::bad_alloc; it is then seen at the next wait.
    void cancel() { detail::cancel(layer_); }

    // It has been cancelled, by cancel() or by its deadline.
    bool cancel_called() const noexcept { return layer_.called; }

    // And that has ended what ran in it.
    bool cancelled_caught() const noexcept { return caught_; }

    // `never` if there is none.
    time_point deadline() const noexcept { return layer_.deadline; }

    // Moves it, also while it runs; a time gone by cancels. A scope that is cancelled
    // stays so.
    void set_deadline(time_point deadline) { detail::move_deadline(layer_, deadline); }

  private:
    friend class cancelled;

    detail::cancel_layer layer_;
    bool caught_ = false;
};

inline bool cancelled::from(const cancel_scope& scope) const noexcept {
    return by_ == &scope.layer_;
}

// f(), for `d` at most: as cancel_scope(d).run(f).
template <class Rep, class Period, std::invocable F>
detail::or_not<F> move_on_after(std::chrono::duration<Rep, Period> d, F&& f) {
    return cancel_scope(d).run(std::forward<F>(f));
}

// The same, but late is an error.
// THROWS  deadline_exceeded.
template <class Rep, class Period, std::invocable F>
std::invoke_result_t<F> fail_after(std::chrono::duration<Rep, Period> d, F&& f) {
    auto result = cancel_scope(d).run(std::forward<F>(f));
    if (!result) detail::fail_late(detail::checked_duration(d));
    if constexpr (!std::is_void_v<std::invoke_result_t<F>>) return std::move(*result);
}

// f(), out of reach of what is outside: scopes that are cancelled, kills and timeouts
// from further out wait until it is over, but no longer than `d`; then f's own waits
// throw, and nothing, or false, is returned. What waits comes at the next park.
// THROWS  as cancel_scope::run; fiber_error (bad_argument) if `d` is `forever` and a
//         scope around it is cancelled already: that could hang.
template <class Rep, class Period, std::invocable F>
detail::or_not<F> shield(std::chrono::duration<Rep, Period> d, F&& f) {
    const duration limit = detail::checked_duration(d);
    detail::require_limit(limit);
    detail::cancel_layer layer(true);
    layer.deadline = detail::after(hub::current().now(), limit);
    bool caught = false;
    return detail::run_inside(layer, caught, std::forward<F>(f));
}

// As long as it lives, nothing is thrown into the fiber from outside, however long that
// takes. For destructors and noexcept functions that park. In a hub callback, where
// nothing parks, it does nothing. Only as a local variable: if it is destroyed out of
// order, by another fiber or after its own has ended, the exception hook is told
// (errc::not_nested); on another thread, that is std::terminate.
class uninterrupted {
  public:
    uninterrupted() : layer_(true) {
        if (!detail::current_scheduler().on_loop()) detail::enter(layer_);
    }

    uninterrupted(const uninterrupted&) = delete;
    uninterrupted& operator=(const uninterrupted&) = delete;

    ~uninterrupted() {
        if (layer_.entered) detail::leave(layer_);
    }

    static void* operator new(std::size_t) = delete;
    static void* operator new[](std::size_t) = delete;

  private:
    detail::cancel_layer layer_;
};

// The earliest deadline of the scopes that the calling fiber is in; `never` if none.
time_point current_deadline();

}  // namespace tendril
