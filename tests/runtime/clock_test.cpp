// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/clock.hpp>
#include <tendril/runtime/error.hpp>

#include <chrono>
#include <cstdint>
#include <limits>
#include <ratio>

#include "../support/clean_end.hpp"
#include <doctest/doctest.h>

using namespace std::chrono_literals;
using namespace tendril;
using detail::checked_duration;
using test::clean_end;

TEST_SUITE_BEGIN("runtime/clock");

TEST_CASE_FIXTURE(clean_end, "a duration of any unit is never made shorter") {
    using thirds = std::chrono::duration<int, std::ratio<1, 3'000'000'000>>;
    using unsigned_seconds = std::chrono::duration<unsigned>;
    CHECK(checked_duration(3h) == 10'800'000'000'000ns);
    CHECK(checked_duration(unsigned_seconds(5)) == 5s);
    CHECK(checked_duration(thirds(1)) == 1ns);
    CHECK(checked_duration(thirds(4)) == 2ns);
    CHECK(checked_duration(std::chrono::duration<double>(0.25)) == 250ms);
    CHECK(checked_duration(std::chrono::duration<double, std::nano>(0.001)) == 1ns);
    CHECK(checked_duration(0s) == duration::zero());
    CHECK(checked_duration(std::chrono::duration<double>(-0.0)) == duration::zero());
}

TEST_CASE_FIXTURE(clean_end, "a duration too long to count is forever") {
    using years = std::chrono::duration<std::int64_t, std::ratio<31'556'952>>;
    CHECK(checked_duration(years(1000)) == forever);
    CHECK(checked_duration(std::chrono::hours::max()) == forever);
    CHECK(checked_duration(std::chrono::duration<double>(1e300)) == forever);
    CHECK(checked_duration(forever) == forever);
    CHECK(checked_duration(forever - 1ns) == forever - 1ns);
    CHECK(checked_duration(years(290)) == years(290));
}

TEST_CASE_FIXTURE(clean_end, "a duration that nobody can mean is a bad argument") {
    using seconds = std::chrono::duration<double>;
    const double nan = std::numeric_limits<double>::quiet_NaN();
    const double inf = std::numeric_limits<double>::infinity();
    CHECK_THROWS_WITH_AS(checked_duration(-1ns),
                         "a duration was given that is negative", fiber_error);
    CHECK_THROWS_WITH_AS(checked_duration(std::chrono::hours::min()),
                         "a duration was given that is negative", fiber_error);
    CHECK_THROWS_WITH_AS(checked_duration(seconds(-inf)),
                         "a duration was given that is negative", fiber_error);
    CHECK_THROWS_WITH_AS(checked_duration(seconds(nan)),
                         "a duration was given that is not a number", fiber_error);
    CHECK_THROWS_WITH_AS(
        checked_duration(seconds(inf)),
        "a duration was given that is infinite (pass tendril::forever)", fiber_error);
}

TEST_CASE_FIXTURE(clean_end, "the end of a duration never wraps round") {
    const time_point now = clock::now();
    CHECK(detail::after(now, 1s) == now + 1s);
    CHECK(detail::after(now, forever) == never);
    CHECK(detail::after(never - 1ns, 1ns) == never);
    CHECK(detail::after(never - 2ns, 1ns) == never - 1ns);
}

TEST_SUITE_END();
