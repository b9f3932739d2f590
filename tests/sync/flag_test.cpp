// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/fiber.hpp>
#include <tendril/runtime/hub.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>
#include <tendril/sync/flag.hpp>
#include <tendril/test/virtual_time.hpp>

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "../support/clean_end.hpp"
#include "../support/errc_of.hpp"
#include <doctest/doctest.h>

using namespace std::chrono_literals;
using namespace tendril;
using test::clean_end;
using test::errc_of;
using test::virtual_time;

TEST_SUITE_BEGIN("sync/flag");

TEST_CASE_FIXTURE(clean_end, "all who wait go on when it goes up, in order") {
    flag f;
    CHECK_FALSE(f.is_set());
    std::string went;
    std::vector<fiber<>> waiting;
    for (const char name : {'a', 'b', 'c'}) {
        waiting.push_back(spawn([&, name] {
            f.wait();
            went += name;
        }));
    }
    yield();
    CHECK(went.empty());
    f.set();
    CHECK(f.is_set());
    CHECK(went.empty());
    for (const auto& w : waiting) w.wait();
    CHECK(went == "abc");
    f.wait();
}

TEST_CASE_FIXTURE(clean_end,
                  "who waited goes on though it is down again, others wait") {
    flag f;
    auto early = spawn([&] { f.wait(); });
    yield();
    f.set();
    f.clear();
    CHECK_FALSE(f.is_set());
    auto late = spawn([&] { f.wait(); });
    early.wait();
    yield();
    CHECK_FALSE(late.done());
    f.set();
    late.wait();
}

TEST_CASE_FIXTURE(clean_end,
                  "it gives up on time, no sooner, and a kill leaves the line") {
    virtual_time time;
    flag f;
    const duration begin = time.passed();
    CHECK_FALSE(f.wait_for(3s));
    CHECK(time.passed() - begin == 3s);
    auto killed = spawn([&] { f.wait(); });
    auto lives = spawn([&] { f.wait(); });
    yield();
    killed.kill();
    f.set();
    lives.wait();
    CHECK_THROWS_AS(killed.wait(), greenlet_exit);
    CHECK(f.wait_for(0s));
}

TEST_CASE_FIXTURE(clean_end, "callbacks may set and clear it, and not wait") {
    flag f;
    std::optional<errc> refused;
    hub::current().call_soon([&] {
        refused = errc_of([&] { f.wait(); });
        f.set();
    });
    f.wait();
    CHECK(refused == errc::in_hub);
    CHECK(errc_of([&] { f.wait_for(-1s); }) == errc::bad_argument);
}

TEST_SUITE_END();
