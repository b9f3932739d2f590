// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/hub.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>
#include <tendril/test/virtual_time.hpp>

#include <chrono>
#include <limits>
#include <string>
#include <vector>

#include "../support/clean_end.hpp"
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

TEST_CASE_FIXTURE(clean_end,
                  "a sleep of nothing, or until a time gone by, is a yield") {
    virtual_time time;
    std::string order;
    auto other = spawn([&] {
        for (const char c : {'1', '2', '3'}) {
            order += c;
            yield();
        }
    });
    tendril::sleep(0s);
    order += 'a';
    sleep_until(hub::current().now());
    order += 'b';
    sleep_until(hub::current().now() - 1h);
    order += 'c';
    other.wait();
    CHECK(order == "1a2b3c");
    CHECK(time.passed() == 0s);
}

TEST_CASE_FIXTURE(clean_end, "sleep_until wakes at that time") {
    virtual_time time;
    const time_point when = hub::current().now() + 90min;
    sleep_until(when);
    CHECK(hub::current().now() == when);
}

TEST_CASE_FIXTURE(clean_end, "a sleep without end needs no timer, and ends by a kill") {
    virtual_time time;
    auto a = spawn([] { tendril::sleep(forever); });
    auto b = spawn([] { sleep_until(never); });
    auto c = spawn([] { tendril::sleep(std::chrono::hours::max()); });
    tendril::sleep(1'000'000h);
    CHECK(hub::current().armed_timers() == 0);
    for (const auto* f : {&a, &b, &c}) {
        f->kill();
        CHECK_THROWS_AS(f->wait(), greenlet_exit);
    }
}

TEST_CASE_FIXTURE(clean_end,
                  "what is thrown into a sleep ends it early, its timer too") {
    virtual_time time;
    auto f = spawn([&] {
        CHECK_THROWS_AS(tendril::sleep(1h), int);
        tendril::sleep(1s);
        return time.passed();
    });
    yield();
    f.kill(1);
    CHECK(hub::current().armed_timers() == 1);
    CHECK(f.wait() == 1s);
}

TEST_CASE_FIXTURE(clean_end, "yield gives each ready fiber one turn, in order") {
    std::string order;
    std::vector<fiber<>> fibers;
    for (const char c : {'a', 'b', 'c'}) {
        fibers.push_back(spawn([&order, c] {
            for (int i = 0; i < 3; ++i) {
                order += c;
                yield();
            }
        }));
    }
    for (const auto& f : fibers) f.wait();
    CHECK(order == "abcabcabc");
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
