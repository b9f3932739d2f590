// clock.hpp - the time that hubs live by.
//
// Monotonic: setting the wall clock moves no sleep and no timeout. Every duration in
// tendril is a std::chrono duration of any unit, and is converted here, once:
//
//   negative, NaN      fiber_error (bad_argument)
//   infinite (double)  fiber_error (bad_argument); say `forever` when you mean it
//   too long to count  `forever`: the deadline never comes
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <chrono>
#include <cmath>
#include <ratio>
#include <type_traits>

namespace tendril {

using clock = std::chrono::steady_clock;
using duration = clock::duration;  // nanoseconds
using time_point = clock::time_point;

// No deadline. Every call that takes a duration takes this too.
inline constexpr duration forever = duration::max();
inline constexpr time_point never = time_point::max();

namespace detail {

[[noreturn]] void fail_duration(const char* what);

// A hub's source of time; null means the steady clock. The tests' virtual clock is one.
class time_source {
  public:
    virtual ~time_source() = default;
    virtual time_point now() noexcept = 0;

    // The hub has nothing to run, waits for no I/O and no work that is done elsewhere,
    // and would sleep until `deadline`.
    // True: time is `deadline` now, do not sleep.
    virtual bool jump(time_point deadline) noexcept = 0;

    // The hub has slept for this long of real time, for such things.
    virtual void slept(duration real) noexcept = 0;
};

// Any chrono duration as ours, checked as the top of this file says.
template <class Rep, class Period>
duration checked_duration(std::chrono::duration<Rep, Period> d) {
    if constexpr (std::is_floating_point_v<Rep>) {
        if (std::isnan(d.count())) fail_duration("is not a number");
        if (d.count() < 0) fail_duration("is negative");
        if (std::isinf(d.count())) fail_duration("is infinite (pass tendril::forever)");
    } else {
        if (d.count() < 0) fail_duration("is negative");
    }
    // A million hours and less cannot overflow, whatever the unit; no need of floating
    // point for the durations that programs are full of.
    if constexpr (std::is_integral_v<Rep> &&
                  std::ratio_less_equal_v<Period, std::ratio<3600>> &&
                  std::ratio_greater_equal_v<Period, std::nano>) {
        if (d.count() <= 1'000'000) return std::chrono::ceil<duration>(d);
    }
    // Compared as long double seconds, which holds every duration a person can mean.
    const std::chrono::duration<long double> wide(d);
    if (wide >= std::chrono::duration<long double>(duration::max())) return forever;
    return std::chrono::ceil<duration>(d);
}

inline time_point after(time_point now, duration d) noexcept {
    return d >= never - now ? never : now + d;
}

}  // namespace detail
}  // namespace tendril
