// wait.hpp - for some of several fibers or futures to end, which go on as they were:
// asyncio.wait.
//
//     auto [done, pending] = wait(fibers, until::first_completed);
//     for (auto& f : done) use(f.wait());
//
// Nothing of what they throw is thrown here, a deadline that passes is no error, and
// nobody is ended: neither then, nor when the caller is killed.
//
// Parks. Thread rule: the caller's fiber; fibers and futures may be of any thread.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <tendril/runtime/clock.hpp>
#include <tendril/sync/detail/work.hpp>
#include <tendril/sync/wait_queue.hpp>

#include <chrono>
#include <ranges>
#include <type_traits>
#include <vector>

namespace tendril {

enum class until {
    first_completed,
    first_exception,  // kills and cancels are none; or all have ended
    all_completed,
};

// Each in the order given.
template <detail::handle Work>
struct waited {
    std::vector<Work> done;
    std::vector<Work> pending;
};

namespace detail {

// THROWS  fiber_error (bad_argument) for none at all.
void wait_until(const std::vector<awaited>& them, until rule, time_point deadline);

template <class Range>
concept range_of_handles =
    std::ranges::input_range<Range> && handle<std::ranges::range_value_t<Range>>;

}  // namespace detail

// THROWS  fiber_error: bad_argument for an empty range, dead for an empty handle in it,
//         in_hub; what is thrown into the caller.
template <detail::range_of_handles Range>
waited<std::ranges::range_value_t<Range>> wait(const Range& works,
                                               until rule = until::all_completed,
                                               time_point deadline = never) {
    detail::wait_until({works.begin(), works.end()}, rule, deadline);
    waited<std::ranges::range_value_t<Range>> result;
    for (const auto& one : works) {
        (one.done() ? result.done : result.pending).push_back(one);
    }
    return result;
}

template <detail::range_of_handles Range, class Rep, class Period>
waited<std::ranges::range_value_t<Range>> wait(const Range& works,
                                               until rule,
                                               std::chrono::duration<Rep, Period> d) {
    return wait(works, rule, detail::from_now(d));
}

}  // namespace tendril
