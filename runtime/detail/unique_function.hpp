// unique_function.hpp - a callable that is called, moved, and owned by one.
//
// std::function needs copies and std::move_only_function is C++23. 48 bytes of room
// inside, so that a callback with a few captures is not an allocation of its own.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>
#include <memory>
#include <type_traits>
#include <typeinfo>
#include <utility>

namespace tendril::detail {

// True for a null function pointer, an empty std::function, and the like.
template <class F>
bool is_null_callable(const F& f) {
    if constexpr (!std::is_function_v<F> && requires { f == nullptr; }) {
        return f == nullptr;
    } else {
        return false;
    }
}

template <class F, class Function, class R, class... Args>
concept convertible_to_function = !std::is_same_v<std::remove_cvref_t<F>, Function> &&
                                  std::is_invocable_r_v<R, std::decay_t<F>&, Args...>;

template <class Signature>
class unique_function;

template <class R, class... Args>
class unique_function<R(Args...)> {
  public:
    unique_function() noexcept = default;

    template <convertible_to_function<unique_function, R, Args...> F>
    unique_function(F&& f) {  // NOLINT(google-explicit-constructor): it is a function
        using Target = std::decay_t<F>;
        const auto& given = f;
        if (is_null_callable(given)) return;
        if constexpr (sizeof(Target) <= room && alignof(Target) <= alignof(void*) &&
                      std::is_nothrow_move_constructible_v<Target>) {
            ::new (static_cast<void*>(&storage_)) Target(std::forward<F>(f));
            actions_ = &inside<Target>;
        } else {
            ::new (static_cast<void*>(&storage_))
                Target*(new Target(std::forward<F>(f)));
            actions_ = &outside<Target>;
        }
    }

    unique_function(unique_function&& other) noexcept { take(other); }

    unique_function& operator=(unique_function&& other) noexcept {
        if (this != &other) {
            reset();
            take(other);
        }
        return *this;
    }

    unique_function(const unique_function&) = delete;
    unique_function& operator=(const unique_function&) = delete;

    ~unique_function() { reset(); }

    explicit operator bool() const noexcept { return actions_ != nullptr; }

    // REQUIRES  it holds something.
    R operator()(Args... args) {
        // NOLINTNEXTLINE(clang-analyzer-core.NullDereference): required above
        return actions_->call(&storage_, std::forward<Args>(args)...);
    }

    // Of what it holds. REQUIRES  it holds something.
    const std::type_info& type() const noexcept {
        // NOLINTNEXTLINE(clang-analyzer-core.NullDereference): required above
        return *actions_->type;
    }

    void reset() noexcept {
        if (actions_) std::exchange(actions_, nullptr)->drop(&storage_);
    }

  private:
    static constexpr std::size_t room = 48;

    struct actions {
        R (*call)(void*, Args&&...);
        void (*move)(void* from, void* to) noexcept;
        void (*drop)(void*) noexcept;
        const std::type_info* type;
    };

    template <class Target>
    static constexpr actions inside = {
        [](void* at, Args&&... args) -> R {
            return static_cast<R>(
                (*static_cast<Target*>(at))(std::forward<Args>(args)...));
        },
        [](void* from, void* to) noexcept {
            auto* const source = static_cast<Target*>(from);
            ::new (to) Target(std::move(*source));
            source->~Target();
        },
        [](void* at) noexcept { static_cast<Target*>(at)->~Target(); },
        &typeid(Target),
    };

    template <class Target>
    static constexpr actions outside = {
        [](void* at, Args&&... args) -> R {
            return static_cast<R>(
                (**static_cast<Target**>(at))(std::forward<Args>(args)...));
        },
        [](void* from, void* to) noexcept {
            ::new (to) Target*(*static_cast<Target**>(from));
        },
        [](void* at) noexcept { delete *static_cast<Target**>(at); },
        &typeid(Target),
    };

    void take(unique_function& other) noexcept {
        if (!other.actions_) return;
        actions_ = std::exchange(other.actions_, nullptr);
        actions_->move(&other.storage_, &storage_);
    }

    const actions* actions_ = nullptr;
    alignas(void*) std::byte storage_[room];
};

}  // namespace tendril::detail
