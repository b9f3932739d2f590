// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/fiber.hpp>
#include <tendril/runtime/hub.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>
#include <tendril/sync/bounded_semaphore.hpp>
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

TEST_SUITE_BEGIN("sync/bounded_semaphore");

TEST_CASE_FIXTURE(clean_end, "it takes back as many as it gave, and no more") {
    bounded_semaphore s(2);
    CHECK(errc_of([&] { s.release(); }) == errc::not_owner);
    s.acquire();
    CHECK(s.try_acquire());
    CHECK_FALSE(s.try_acquire());
    CHECK(errc_of([&] { s.release(3); }) == errc::not_owner);
    CHECK(s.balance() == 0);
    s.release(2);
    CHECK(errc_of([&] { s.release(); }) == errc::not_owner);
    CHECK(s.balance() == 2);
    CHECK(errc_of([&] { s.release(0); }) == errc::bad_argument);
    CHECK(errc_of([&] { s.release(-1); }) == errc::bad_argument);
    CHECK(errc_of([] { bounded_semaphore(-1); }) == errc::bad_argument);
}

TEST_CASE_FIXTURE(clean_end, "a token that is handed over counts as taken") {
    virtual_time time;
    bounded_semaphore s(1);
    s.acquire();
    auto other = spawn([&] { s.acquire(); });
    yield();
    CHECK(s.balance() == -1);
    s.release();
    other.wait();
    CHECK_FALSE(s.try_acquire_for(1s));
    s.release();
    CHECK(errc_of([&] { s.release(); }) == errc::not_owner);
}

TEST_CASE_FIXTURE(clean_end, "a killed waiter has taken none") {
    bounded_semaphore s(1);
    s.acquire();
    auto killed = spawn([&] { s.acquire(); });
    yield();
    killed.kill();
    s.release();
    CHECK(s.balance() == 1);
    CHECK(errc_of([&] { s.release(); }) == errc::not_owner);
}

TEST_SUITE_END();
