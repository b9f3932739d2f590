// race.hpp - the first of several to end, however that is, ends the others.
//
//     page p = race([&] { return ask(mirror_1); }, [&] { return ask(mirror_2); });
//     page p = race(fibers);                 // a range of fiber<page>
//
// Takes fibers, futures, and what becomes fibers. Returns what the first one returned
// or throws what it threw; the others are ended by then (fibers killed, futures
// cancelled, and waited for, also those that cannot be cancelled), so they may use the
// caller's variables. Of several that have ended already, the first in the row wins.
//
// A kill, timeout or cancel of the caller ends all of them, and is thrown then.
//
// Parks. Thread rule: the caller's fiber; fibers and futures may be of any thread.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <tendril/sync/detail/work.hpp>

#include <cstddef>
#include <ranges>
#include <type_traits>
#include <utility>
#include <vector>

namespace tendril {

namespace detail {

// The place of the first to end; the others have ended then, too.
// THROWS  fiber_error (bad_argument) for none at all; what is thrown into the caller.
std::size_t await_first(const std::vector<awaited>& them, made_here& made);

template <class Work>
result_of<Work> winner_of(std::vector<Work> works, made_here& made) {
    Work& winner = works[await_first(all_awaited(works), made)];
    return std::move(winner).wait();
}

}  // namespace detail

// All of one result.
// THROWS  fiber_error: bad_argument for an empty range, dead for an empty handle.
template <detail::range_of_work Range>
auto race(Range&& range) {
    detail::made_here made;
    return detail::winner_of(detail::all_as_work(range, made), made);
}

template <detail::work_or_callable First, detail::work_or_callable... Others>
auto race(First&& first, Others&&... others) {
    using Work = detail::work_of<First>;
    static_assert((std::is_same_v<Work, detail::work_of<Others>> && ...),
                  "those who race have one type of result");
    detail::made_here made;
    std::vector<Work> works;
    works.reserve(1 + sizeof...(others));
    works.push_back(detail::as_work(std::forward<First>(first), made));
    (works.push_back(detail::as_work(std::forward<Others>(others), made)), ...);
    return detail::winner_of(std::move(works), made);
}

}  // namespace tendril
