// work.hpp - what gather, wait, as_completed, wait_for and race take: fibers, futures,
// and what becomes fibers; alone or in ranges.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <tendril/runtime/fiber.hpp>
#include <tendril/runtime/spawn.hpp>
#include <tendril/sync/detail/endings.hpp>
#include <tendril/sync/future.hpp>
#include <tendril/sync/outcome.hpp>

#include <concepts>
#include <cstddef>
#include <ranges>
#include <type_traits>
#include <utility>
#include <vector>

namespace tendril::detail {

template <class T>
inline constexpr bool is_work = false;
template <class R>
inline constexpr bool is_work<fiber<R>> = true;
template <class R>
inline constexpr bool is_work<future<R>> = true;

// A fiber or a future of some result.
template <class T>
concept work = is_work<std::remove_cvref_t<T>>;

// The same, or a fiber whose result nobody wants.
template <class T>
concept handle = work<T> || std::same_as<std::remove_cvref_t<T>, any_fiber>;

template <class T>
concept work_or_callable = work<T> ||
    (!std::ranges::range<T> && std::invocable<std::decay_t<T>>);

template <class T>
concept range_of_work =
    std::ranges::input_range<T> && work_or_callable<std::ranges::range_value_t<T>>;

template <class T>
struct result_of_work;

template <class R>
struct result_of_work<fiber<R>> {
    using type = R;
};

template <class R>
struct result_of_work<future<R>> {
    using type = R;
};

template <class Work>
using result_of = typename result_of_work<std::remove_cvref_t<Work>>::type;

// The fibers that a call has made of what it was given. They use the caller's
// variables: unless the call comes to wait for them, and lets them go, they end with
// this.
class made_here {
  public:
    made_here() = default;
    made_here(const made_here&) = delete;
    made_here& operator=(const made_here&) = delete;

    ~made_here() { give_up(fibers_, unending::left_alone); }

    template <class F>
    auto spawn(F&& f) {
        // What has been spawned must not fail to be noted.
        if (fibers_.size() == fibers_.capacity()) {
            fibers_.reserve(2 * fibers_.size() + 4);
        }
        auto one = tendril::spawn(std::forward<F>(f));
        fibers_.emplace_back(any_fiber(one));
        return one;
    }

    void let_go() noexcept { fibers_.clear(); }

  private:
    std::vector<awaited> fibers_;
};

template <class T>
auto as_work(T&& it, made_here& made) {
    if constexpr (work<T>) {
        return std::remove_cvref_t<T>(std::forward<T>(it));
    } else {
        return made.spawn(std::forward<T>(it));
    }
}

template <class T>
using work_of = decltype(as_work(std::declval<T>(), std::declval<made_here&>()));

// What it returned.
// REQUIRES  it has ended, and by returning.
template <work Work>
kept_value<result_of<Work>> value_of(Work& it) {
    if constexpr (std::is_void_v<result_of<Work>>) {
        return {};
    } else {
        return std::move(it).wait();
    }
}

// REQUIRES  it has ended.
template <work Work>
outcome<result_of<Work>> outcome_of(Work& it) {
    using result = outcome<result_of<Work>>;
    if (auto error = awaited(it).error()) return result(std::move(error));
    return result(value_of(it));
}

// Each of a range, in its order.
template <class Range>
auto all_as_work(Range& range, made_here& made) {
    std::vector<work_of<std::ranges::range_value_t<Range>>> works;
    if constexpr (std::ranges::sized_range<Range>) {
        works.reserve(std::ranges::size(range));
    }
    for (auto&& it : range) {
        if constexpr (std::is_lvalue_reference_v<
                          std::ranges::range_reference_t<Range>>) {
            // They may be wanted afterwards.
            works.push_back(as_work(std::as_const(it), made));
        } else {
            works.push_back(as_work(std::forward<decltype(it)>(it), made));
        }
    }
    return works;
}

template <class Work>
std::vector<awaited> all_awaited(const std::vector<Work>& works) {
    return std::vector<awaited>(works.begin(), works.end());
}

}  // namespace tendril::detail
