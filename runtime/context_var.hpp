// context_var.hpp - a value that follows the work: from a fiber to those it spawns.
//
//     context_var<std::string> request_id("none");
//
//     void serve_one(request r) {
//         auto before = request_id.set(r.id);
//         spawn(write_log);            // sees r.id
//         work();                      // so does this
//         request_id.reset(before);    // optional: the context ends with the fiber
//     }
//
// Each fiber has a context: the values that it, or an ancestor before it spawned it,
// has set. A child begins with a copy of its parent's context as it is when it is
// spawned; what either sets afterwards is its own. Copying is one reference more.
// A hub callback has a copy of the context of who scheduled it (what it sets ends with
// it); plain threads, and what they post, begin with an empty one. (fiber_local, in
// contrast, is not inherited.)
//
// A context can be taken along and used anywhere:
//
//     const context here = context::current();
//     on_another_thread([here] { here.run(work); });
//
// This is Python's contextvars. T: copyable or not; values are shared and never change.
//
// Thread rule: variables and contexts, any thread; values must bear being read by
// several if contexts are passed to other threads.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <tendril/runtime/detail/scheduler.hpp>
#include <tendril/runtime/detail/unique_function.hpp>
#include <tendril/runtime/error.hpp>

#include <concepts>
#include <functional>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

namespace tendril {

namespace detail {

// The values of a context, by the address of their variable. Never changed once it is
// shared.
struct context_values {
    struct entry {
        const void* variable;
        std::shared_ptr<const void> value;
    };

    std::vector<entry> entries;
};

// Null if the calling fiber has not set it, nor inherited it.
std::shared_ptr<const void> context_value(const void* variable);

// Null takes it out. Returns what was there.
std::shared_ptr<const void> set_context_value(const void* variable,
                                              std::shared_ptr<const void> value);

}  // namespace detail

template <class T>
class context_var;

// What a variable was before a set(), for reset().
template <class T>
class context_token {
  private:
    friend class context_var<T>;

    context_token(const context_var<T>& variable,
                  std::shared_ptr<const void> before) noexcept
        : variable_(&variable), before_(std::move(before)) {}

    const context_var<T>* variable_;
    std::shared_ptr<const void> before_;
};

// Declare them static or global: a variable is its address.
template <class T>
class context_var {
  public:
    // Without a value of its own: get() is an error until there has been a set().
    context_var() = default;

    explicit context_var(T otherwise)
        : otherwise_(std::make_shared<const T>(std::move(otherwise))) {}

    context_var(const context_var&) = delete;
    context_var& operator=(const context_var&) = delete;
    ~context_var() = default;

    // The value in the calling fiber's context, or else the one of the variable.
    // THROWS  fiber_error (unset) if there is neither.
    std::shared_ptr<const T> share() const {
        auto value = std::static_pointer_cast<const T>(detail::context_value(this));
        if (!value) value = otherwise_;
        if (!value) detail::fail(errc::unset, "a context_var without a value was read");
        return value;
    }

    T get() const { return *share(); }

    bool is_set() const { return detail::context_value(this) != nullptr; }

    // From here on this fiber, and those it spawns, see `value`.
    context_token<T> set(T value) {
        return {*this, detail::set_context_value(
                           this, std::make_shared<const T>(std::move(value)))};
    }

    // As it was before that set().
    // THROWS  fiber_error (bad_argument) if that was a set() of another variable.
    void reset(const context_token<T>& before) {
        if (before.variable_ != this) {
            detail::fail(errc::bad_argument,
                         "a context_var was reset by the token of another one");
        }
        detail::set_context_value(this, before.before_);
    }

  private:
    std::shared_ptr<const T> otherwise_;
};

// A snapshot of all variables.
class context {
  public:
    // Empty.
    context() noexcept = default;

    // The calling fiber's, as it is now.
    static context current();

    // Calls f() in a copy of this: what f sets is gone afterwards. f may park.
    // THROWS  what f throws; fiber_error (bad_argument) for a null callable.
    template <std::invocable F>
    std::invoke_result_t<F> run(F&& f) const {
        const auto& callable = f;
        if (detail::is_null_callable(callable)) {
            detail::fail(errc::bad_argument, "context::run was given nothing to call");
        }

        struct inside {
            std::shared_ptr<const detail::context_values>& own;
            std::shared_ptr<const detail::context_values> outer;

            explicit inside(std::shared_ptr<const detail::context_values> values)
                : own(detail::current_scheduler().current->context),
                  outer(std::exchange(own, std::move(values))) {}

            ~inside() { own = std::move(outer); }
        } const here(values_);

        return std::invoke(std::forward<F>(f));
    }

  private:
    explicit context(std::shared_ptr<const detail::context_values> values) noexcept
        : values_(std::move(values)) {}

    std::shared_ptr<const detail::context_values> values_;
};

}  // namespace tendril
