// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/fiber.hpp>
#include <tendril/runtime/hub.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>
#include <tendril/sync/latch.hpp>
#include <tendril/test/virtual_time.hpp>

#include <chrono>
#include <optional>
#include <vector>

#include "../support/clean_end.hpp"
#include "../support/errc_of.hpp"
#include <doctest/doctest.h>

using namespace std::chrono_literals;
using namespace tendril;
using test::clean_end;
using test::errc_of;
using test::virtual_time;

TEST_SUITE_BEGIN("sync/latch");

TEST_CASE_FIXTURE(clean_end, "who waits goes on at zero, and not before") {
    latch l(3);
    auto waiting = spawn([&] { l.wait(); });
    l.count_down();
    yield();
    CHECK_FALSE(waiting.done());
    CHECK(l.pending() == 2);
    CHECK_FALSE(l.try_wait());
    l.count_down(2);
    CHECK(l.try_wait());
    waiting.wait();
    l.wait();
}

TEST_CASE_FIXTURE(clean_end, "all who arrive and wait go on together") {
    latch l(3);
    int through = 0;
    std::vector<fiber<>> all;
    for (int i = 0; i < 2; ++i) {
        all.push_back(spawn([&] {
            l.arrive_and_wait();
            ++through;
        }));
    }
    yield();
    CHECK(l.pending() == 1);
    CHECK(through == 0);
    l.arrive_and_wait();
    for (const auto& f : all) f.wait();
    CHECK(through == 2);
}

TEST_CASE_FIXTURE(clean_end,
                  "a number that makes no sense is an error, and counts nothing") {
    CHECK(errc_of([] { latch(-1); }) == errc::bad_argument);
    latch l(2);
    CHECK(errc_of([&] { l.count_down(-1); }) == errc::bad_argument);
    CHECK(errc_of([&] { l.count_down(3); }) == errc::bad_argument);
    CHECK(l.pending() == 2);
    latch none(0);
    none.wait();
    CHECK(errc_of([&] { none.count_down(); }) == errc::bad_argument);
}

TEST_CASE_FIXTURE(clean_end, "it gives up on time, and a kill leaves the line") {
    virtual_time time;
    latch l(1);
    const duration begin = time.passed();
    CHECK_FALSE(l.wait_for(2s));
    CHECK(time.passed() - begin == 2s);
    auto killed = spawn([&] { l.wait(); });
    auto lives = spawn([&] { l.wait(); });
    yield();
    killed.kill();
    l.count_down();
    lives.wait();
    CHECK_THROWS_AS(killed.wait(), greenlet_exit);
}

TEST_SUITE_END();
