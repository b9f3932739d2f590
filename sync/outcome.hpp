// outcome.hpp - how a piece of work ended: a value, or an exception.
//
//     auto [a, b] = gather(return_exceptions, fetch_a, fetch_b);
//     if (a) use(*a);
//     else log(a.error());
//
// asyncio puts results and exceptions into one list; here each has its place.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <tendril/runtime/error.hpp>
#include <tendril/sync/future.hpp>

#include <exception>
#include <type_traits>
#include <utility>
#include <variant>

namespace tendril {

// R: any movable type, a reference, or void.
template <class R>
class outcome {
    using stored = detail::kept_value<R>;

  public:
    explicit outcome(stored value) : it_(std::in_place_index<0>, std::move(value)) {}

    explicit outcome(std::exception_ptr error)
        : it_(std::in_place_index<1>, std::move(error)) {}

    // There is a value.
    explicit operator bool() const noexcept { return it_.index() == 0; }

    // THROWS  the exception, if that is what there is.
    decltype(auto) value() const { return get(*this); }

    decltype(auto) value() { return get(*this); }

    decltype(auto) operator*() const { return value(); }

    decltype(auto) operator*() { return value(); }

    // Null if there is a value.
    std::exception_ptr error() const { return *this ? nullptr : std::get<1>(it_); }

    // There is an exception, and it is an E.
    template <class E>
    bool failed_with() const {
        if (*this) return false;
        try {
            std::rethrow_exception(std::get<1>(it_));
        } catch (const E&) {
            return true;
        } catch (...) {
            return false;
        }
    }

  private:
    template <class Self>
    static auto get(Self& self)
        -> std::conditional_t<std::is_void_v<R>,
                              void,
                              std::conditional_t<std::is_reference_v<R>,
                                                 R,
                                                 decltype(std::get<0>(self.it_))&>> {
        if (!self) std::rethrow_exception(std::get<1>(self.it_));
        if constexpr (!std::is_void_v<R>) return std::get<0>(self.it_);
    }

    std::variant<stored, std::exception_ptr> it_;
};

}  // namespace tendril
