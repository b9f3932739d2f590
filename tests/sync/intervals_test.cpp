// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/cancel.hpp>
#include <tendril/runtime/error.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/sync/interval.hpp>
#include <tendril/sync/intervals.hpp>
#include <tendril/test/virtual_time.hpp>

#include <chrono>
#include <optional>
#include <string>

#include "../support/clean_end.hpp"
#include "../support/errc_of.hpp"
#include <doctest/doctest.h>

using namespace std::chrono_literals;
using namespace tendril;
using test::clean_end;
using test::errc_of;
using test::virtual_time;

TEST_SUITE_BEGIN("sync/intervals");

TEST_CASE_FIXTURE(clean_end, "each name ticks by itself until it is stopped") {
    const virtual_time from_here;
    std::string ticks;
    {
        intervals timers;
        timers.schedule("first", 1s, 1s, [&] { ticks += '1'; });
        timers.schedule("second", 1s, 1s, [&] { ticks += '2'; });
        tendril::sleep(2500ms);
        CHECK(timers.stop("first"));
        tendril::sleep(2s);
        CHECK(timers.size() == 1);
        CHECK_FALSE(timers.stop("first"));
    }
    tendril::sleep(5s);
    CHECK(ticks == "121222");
}

TEST_CASE_FIXTURE(clean_end, "a name is taken until its interval is stopped") {
    const virtual_time from_here;
    intervals timers;
    std::string ticks;
    timers.schedule("one", 0s, 1s, [&] { ticks += 'a'; });
    CHECK_THROWS_WITH_AS(timers.schedule("one", 0s, 1s, [&] { ticks += 'b'; }),
                         "duplicate interval with name 'one'", fiber_error);
    tendril::sleep(1500ms);
    CHECK(ticks == "aa");
    CHECK(timers.stop("one"));
    timers.schedule("one", 0s, 1s, [&] { ticks += 'c'; });
    tendril::sleep(1500ms);
    CHECK(ticks == "aacc");
    CHECK(errc_of([&] { timers.schedule("bad", 0s, 0s, [] {}); }) ==
          errc::bad_argument);
    CHECK(timers.size() == 1);
}

TEST_CASE_FIXTURE(clean_end, "a call may stop its own name and take it again") {
    const virtual_time from_here;
    intervals timers;
    std::string ticks;
    timers.schedule("one", 1s, 1s, [&] {
        ticks += 'a';
        timers.stop("one");
        timers.schedule("one", 1s, 1s, [&] { ticks += 'b'; });
    });
    tendril::sleep(3500ms);
    CHECK(ticks == "abb");
}

TEST_CASE_FIXTURE(clean_end, "missed ticks follow the rule that was given") {
    const virtual_time from_here;
    intervals timers;
    int calls = 0;
    timers.schedule(
        "burst", 1s, 1s,
        [&] {
            if (++calls == 1) tendril::sleep(3s);
        },
        missed_ticks::burst);
    tendril::sleep(4500ms);
    CHECK(calls == 4);
}

TEST_CASE_FIXTURE(clean_end, "what still ticks while all are stopped finds the end") {
    const virtual_time from_here;
    std::optional<errc> refused;
    bool stopped = true;
    {
        intervals timers;
        // Stopped in the order of the names, the first one slowly.
        timers.schedule("a", 1s, 1s, [] {
            const uninterrupted here;
            tendril::sleep(10s);
        });
        timers.schedule("b", 2s, 1s, [&] {
            refused = errc_of([&] { timers.schedule("c", 1s, 1s, [] {}); });
            stopped = timers.stop("a");
        });
        tendril::sleep(1500ms);
    }
    CHECK(refused == errc::closed);
    CHECK_FALSE(stopped);
}

TEST_SUITE_END();
