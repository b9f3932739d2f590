// sleep.hpp - let time pass, or let the others have a turn.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <tendril/runtime/clock.hpp>
#include <tendril/runtime/park.hpp>

#include <chrono>

namespace tendril {

namespace detail {
void sleep_for(duration d);
}

// Gives every fiber that is ready now its turn before this one goes on.
// Parks: yes. THROWS  what is thrown into the fiber; fiber_error (in_hub).
inline void yield() {
    detail::yield_now();
}

// Parks until `when`; never parks for ever, until something is thrown in. A time gone
// by is a yield().
// THROWS  what is thrown into the fiber (the sleep then ends early); fiber_error
// (in_hub).
void sleep_until(time_point when);

// Parks for `d`: never less, later by what the other fibers take. Zero is a yield();
// `forever` sleeps until something is thrown in.
// THROWS  as sleep_until; fiber_error (bad_argument) for a negative, infinite or NaN
//         duration.
// With `using namespace tendril`, sleep(1) is still sleep(3) of the C library, which
// blocks the whole thread: durations have units here, sleep(1s).
template <class Rep, class Period>
void sleep(std::chrono::duration<Rep, Period> d) {
    detail::sleep_for(detail::checked_duration(d));
}

}  // namespace tendril
