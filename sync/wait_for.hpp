// wait_for.hpp - one piece of work, for a time: asyncio.wait_for.
//
//     page p = wait_for([&] { return fetch(url); }, 5s);
//
// Takes a fiber, a future, or something to call, which becomes a fiber. Returns its
// result or throws what it threw. When the time is over first, it is ended (a fiber is
// killed, a future cancelled) and waited for; then
//   it ended by that              deadline_exceeded is thrown
//   it has returned all the same  that is returned
//   it threw something else       that is thrown
// A future whose cancel() is false, as of a call that a thread pool has begun, is not
// waited for: deadline_exceeded is thrown at once, it goes on, and what it throws is
// told to nobody.
// No time at all is for what has ended already; a fiber that has not begun never does.
//
// A kill, timeout or cancel of the caller ends the work in the same way, and is thrown
// then. To keep the work out of both, wait for a shield() of it. (fail_after() does
// without a second fiber; what does not park cannot be ended by either.)
//
// Parks. Thread rule: the caller's fiber; fibers and futures may be of any thread.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <tendril/runtime/cancel.hpp>
#include <tendril/runtime/clock.hpp>
#include <tendril/sync/detail/work.hpp>
#include <tendril/sync/wait_queue.hpp>

#include <chrono>
#include <utility>
#include <vector>

namespace tendril {

namespace detail {

// THROWS  deadline_exceeded if it had to be ended, and that is how it ended, or if it
//         could not be.
void await_for(const std::vector<awaited>& one, made_here& made, duration d);

}  // namespace detail

// THROWS  fiber_error (bad_argument) for a negative duration.
template <detail::work_or_callable Work, class Rep, class Period>
detail::result_of<detail::work_of<Work>> wait_for(
    Work&& work, std::chrono::duration<Rep, Period> d) {
    const duration limit = detail::checked_duration(d);
    detail::made_here made;
    auto one = detail::as_work(std::forward<Work>(work), made);
    detail::await_for({detail::awaited(one)}, made, limit);
    return std::move(one).wait();
}

}  // namespace tendril
