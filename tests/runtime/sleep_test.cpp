// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>

#include <chrono>
#include <limits>
#include <string>

#include "../support/clean_end.hpp"
#include "../support/virtual_time.hpp"
#include <doctest/doctest.h>

using namespace std::chrono_literals;
using namespace tendril;
using test::clean_end;
using test::virtual_time;

TEST_SUITE_BEGIN("runtime/sleep");

TEST_CASE_FIXTURE(clean_end, "main may sleep without run()") {
    virtual_time time;
    tendril::sleep(3h);
    CHECK(time.passed() == 3h);
}

TEST_CASE_FIXTURE(clean_end,
                  "sleepers wake in the order of their deadlines, ties in order") {
    virtual_time time;
    std::string order;
    auto wake = [&](char c, duration d) {
        return spawn([&order, c, d] {
            tendril::sleep(d);
            order += c;
        });
    };
    auto a = wake('a', 3s), b = wake('b', 1s), c = wake('c', 2s), d = wake('d', 1s);
    for (auto* f : {&a, &b, &c, &d}) f->wait();
    CHECK(order == "bdca");
    CHECK(time.passed() == 3s);
}

TEST_CASE_FIXTURE(clean_end, "durations nobody can mean are errors that say so") {
    const double nan = std::numeric_limits<double>::quiet_NaN();
    const double inf = std::numeric_limits<double>::infinity();
    CHECK_THROWS_WITH_AS(tendril::sleep(-1ms), "a duration was given that is negative",
                         fiber_error);
    CHECK_THROWS_AS(tendril::sleep(std::chrono::duration<double>(nan)), fiber_error);
    CHECK_THROWS_AS(tendril::sleep(std::chrono::duration<double>(inf)), fiber_error);
}

TEST_SUITE_END();
