// gather.hpp - several pieces of work at once, and all their results in order:
// asyncio.gather.
//
//     auto [page, hits] = gather([&] { return fetch(url); }, count_hits);
//     std::vector<int> all = gather(fibers);         // a range of fiber<int>
//
// Each argument is a fiber or a future, or something to call, which becomes a fiber.
// Parks until all have ended; the results stand where the arguments stood, in a tuple
// (std::monostate for void) or, of a range, a vector (nothing for void). One that is
// given twice is run once.
//
// If one of them throws, gather throws that at once, whatever stood before it; the
// others go on, and what they throw later is told to nobody. (task_group ends them, and
// is the better choice when they use the caller's variables.) With return_exceptions it
// waits for all, and the results are outcomes:
//
//     auto [a, b] = gather(return_exceptions, may_fail, fiber_that_is_killed);
//     if (!a) log(a.error());
//
// A kill, timeout or cancel of the caller ends all of them (fibers are killed, futures
// cancelled), waits until they have ended, and is thrown then. A future whose cancel()
// is false, as of a call that a thread pool has begun, is not waited for: it goes on,
// and what it throws is told to nobody. To keep one out of that, gather a shield() of
// it. An error of gather() itself (an empty handle, the caller's own fiber, a hub
// callback) ends what it would have called, and nobody else.
//
// The rules are asyncio's. Thread rule: the caller's fiber; fibers and futures may be
// of any thread.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <tendril/sync/detail/work.hpp>
#include <tendril/sync/future.hpp>
#include <tendril/sync/outcome.hpp>

#include <ranges>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace tendril {

// The first argument of a gather() that throws nothing of its own.
struct return_exceptions_t {
    explicit return_exceptions_t() = default;
};

inline constexpr return_exceptions_t return_exceptions{};

namespace detail {

// Until all have ended, or one has thrown, which is thrown; what is thrown into the
// caller ends them all first. An error of the call itself ends those made here alone.
void await_all(const std::vector<awaited>& them, made_here& made);

// The same, but what they throw does not matter.
void await_all_endings(const std::vector<awaited>& them, made_here& made);

}  // namespace detail

template <detail::work_or_callable... Works>
auto gather(Works&&... works) {
    detail::made_here made;
    // In braces, so that they are made in this order.
    auto all = std::tuple<detail::work_of<Works>...>{
        detail::as_work(std::forward<Works>(works), made)...};
    return std::apply(
        [&](auto&... one) {
            detail::await_all({detail::awaited(one)...}, made);
            return std::tuple<detail::kept_value<detail::result_of<decltype(one)>>...>{
                detail::value_of(one)...};
        },
        all);
}

template <detail::work_or_callable... Works>
auto gather(return_exceptions_t /*tag*/, Works&&... works) {
    detail::made_here made;
    auto all = std::tuple<detail::work_of<Works>...>{
        detail::as_work(std::forward<Works>(works), made)...};
    return std::apply(
        [&](auto&... one) {
            detail::await_all_endings({detail::awaited(one)...}, made);
            return std::tuple<outcome<detail::result_of<decltype(one)>>...>{
                detail::outcome_of(one)...};
        },
        all);
}

template <detail::range_of_work Range>
auto gather(Range&& range) {
    detail::made_here made;
    auto works = detail::all_as_work(range, made);
    detail::await_all(detail::all_awaited(works), made);
    using R = detail::result_of<std::ranges::range_value_t<decltype(works)>>;
    if constexpr (!std::is_void_v<R>) {
        std::vector<detail::kept_value<R>> results;
        results.reserve(works.size());
        for (auto& one : works) results.push_back(detail::value_of(one));
        return results;
    }
}

template <detail::range_of_work Range>
auto gather(return_exceptions_t /*tag*/, Range&& range) {
    detail::made_here made;
    auto works = detail::all_as_work(range, made);
    detail::await_all_endings(detail::all_awaited(works), made);
    using R = detail::result_of<std::ranges::range_value_t<decltype(works)>>;
    std::vector<outcome<R>> results;
    results.reserve(works.size());
    for (auto& one : works) results.push_back(detail::outcome_of(one));
    return results;
}

}  // namespace tendril
