// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/fiber.hpp>
#include <tendril/runtime/hub.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>
#include <tendril/sync/capped_semaphore.hpp>
#include <tendril/test/virtual_time.hpp>

#include <chrono>
#include <optional>

#include "../support/clean_end.hpp"
#include "../support/errc_of.hpp"
#include <doctest/doctest.h>

using namespace std::chrono_literals;
using namespace tendril;
using test::clean_end;
using test::errc_of;
using test::virtual_time;

TEST_SUITE_BEGIN("sync/capped_semaphore");

TEST_CASE_FIXTURE(
    clean_end,
    "two tokens of three: minus three when all are out, three when all are in") {
    capped_semaphore s(2, 3);
    s.acquire();
    s.acquire();
    auto gives = spawn([&] { s.release(); });
    s.acquire();
    CHECK(s.balance() == -3);
    for (int i = 0; i < 3; ++i) s.release();
    auto takes = spawn([&] { s.acquire(); });
    s.release();
    CHECK(s.balance() == 3);
    gives.wait();
    takes.wait();
}

TEST_CASE_FIXTURE(clean_end, "to give one waits for room, to take one for a token") {
    capped_semaphore s(1, 1);
    CHECK_FALSE(s.try_release());
    auto gives = spawn([&] { s.release(); });
    yield();
    CHECK_FALSE(gives.done());
    CHECK(s.try_acquire());
    gives.wait();
    CHECK(s.try_acquire());
    CHECK_FALSE(s.try_acquire());
    auto takes = spawn([&] { s.acquire(); });
    yield();
    CHECK(s.try_release());
    takes.wait();
    CHECK(s.balance() == -1);
}

TEST_CASE_FIXTURE(clean_end, "without room each take meets a give") {
    capped_semaphore s(0, 0);
    auto gives = spawn([&] { s.release(); });
    yield();
    s.acquire();
    gives.wait();
    CHECK_FALSE(s.try_acquire());
    CHECK_FALSE(s.try_release());
}

TEST_CASE_FIXTURE(clean_end,
                  "who is killed or out of time has neither given nor taken") {
    virtual_time time;
    capped_semaphore s(1, 1);
    const duration begin = time.passed();
    CHECK_FALSE(s.try_release_for(1s));
    CHECK(time.passed() - begin == 1s);
    auto gives = spawn([&] { s.release(); });
    yield();
    gives.kill();
    s.acquire();
    CHECK_FALSE(s.try_acquire_for(1s));
    auto takes = spawn([&] { s.acquire(); });
    yield();
    takes.kill();
    s.release();
    CHECK(s.balance() == 1);
}

TEST_CASE_FIXTURE(clean_end, "numbers that make no sense are errors") {
    CHECK(errc_of([] { capped_semaphore(-1, 1); }) == errc::bad_argument);
    CHECK(errc_of([] { capped_semaphore(2, 1); }) == errc::bad_argument);
    CHECK(errc_of([] { capped_semaphore(0, -1); }) == errc::bad_argument);
}

TEST_SUITE_END();
