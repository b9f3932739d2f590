// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/fiber.hpp>
#include <tendril/runtime/hub.hpp>
#include <tendril/runtime/run.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>
#include <tendril/runtime/timeout.hpp>
#include <tendril/test/virtual_time.hpp>

#include <chrono>
#include <functional>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include "../support/other_thread.hpp"
#include <doctest/doctest.h>

using namespace std::chrono_literals;
using namespace tendril;
using test::clean_end;
using test::clean_end_of_threads;
using test::virtual_time;

TEST_SUITE_BEGIN("runtime/hub callbacks");

TEST_CASE_FIXTURE(clean_end,
                  "a callback that throws is reported, and the hub keeps its time") {
    virtual_time time;
    hub& h = hub::current();
    h.call_soon([] { throw std::runtime_error("soon"); });
    h.call_later(1s, [] { throw std::runtime_error("later"); });
    tendril::sleep(10s);
    CHECK(time.passed() == 10s);
    CHECK(reported ==
          std::vector<std::string>{"a hub callback: std::runtime_error: soon",
                                   "a hub callback: std::runtime_error: later"});
    reported.clear();
}

TEST_CASE_FIXTURE(clean_end,
                  "nothing that a callback throws ends the hub or harms a fiber") {
    virtual_time time;
    hub& h = hub::current();
    auto old = spawn([] {
        tendril::sleep(1h);
        return 5;
    });
    yield();
    timeout scope(2h);
    h.call_later(1s, [] { throw greenlet_exit{}; });
    h.call_later(2s, [&] { throw timed_out(scope); });
    h.call_later(3s, [] { throw 42; });
    h.post([] { throw greenlet_exit{}; });
    tendril::sleep(10s);
    CHECK(reported.size() == 4);
    reported.clear();
    CHECK(old.wait() == 5);
    CHECK(time.passed() == 1h);
}

TEST_CASE_FIXTURE(clean_end,
                  "a call that would block in a callback is refused, by name") {
    virtual_time time;
    auto live = spawn([] { tendril::sleep(1s); });
    hub& h = hub::current();
    const std::vector<std::function<void()>> blocking{
        [] { yield(); },
        [] { tendril::sleep(0s); },
        [] { tendril::sleep(1s); },
        [] { tendril::sleep(forever); },
        [&] { live.wait(); },
        [&] { live.join(hub::current().now()); },
        [&] { h.run_forever(); },
        [&] { h.switch_out(); },
        [] { run([] {}); },
        [] { timeout limit(1s); },
        [] { with_timeout(1s, [] { return 1; }); },
        [] { (void)current(); },
    };
    int refused = 0;
    for (const auto& call : blocking) {
        h.call_soon([&] {
            try {
                call();
            } catch (const fiber_error& e) {
                refused += e.code() == errc::in_hub ? 1 : 0;
                CHECK(std::string(e.what()).find("callback") != std::string::npos);
            }
        });
    }
    yield();
    CHECK(refused == 12);
    live.wait();
}

TEST_CASE_FIXTURE(clean_end,
                  "a callback spawns and kills, and all of it happens after it") {
    virtual_time time;
    std::string order;
    auto sleeper = spawn([&] {
        try {
            tendril::sleep(1h);
        } catch (const greenlet_exit&) {
            order += "killed,";
        }
    });
    yield();
    hub::current().call_soon([&] {
        spawn([&] {
            tendril::sleep(1s);
            order += "spawned";
        });
        sleeper.kill();
        order += "callback,";
    });
    tendril::sleep(2s);
    CHECK(order == "callback,killed,spawned");
}

TEST_CASE_FIXTURE(clean_end,
                  "a null callback and a time nobody can mean are bad arguments") {
    hub& h = hub::current();
    using function = void (*)();
    const double nan = std::numeric_limits<double>::quiet_NaN();
    const char* const text = "a hub callback was scheduled with nothing to call";
    CHECK_THROWS_WITH_AS(h.call_soon(function{}), text, fiber_error);
    CHECK_THROWS_WITH_AS(h.call_later(1s, std::function<void()>{}), text, fiber_error);
    CHECK_THROWS_WITH_AS(h.call_at(h.now(), hub::callback{}), text, fiber_error);
    CHECK_THROWS_AS(h.call_later_local(1s, function{}), fiber_error);
    CHECK_THROWS_AS(h.call_later(-1ns, [] {}), fiber_error);
    CHECK_THROWS_AS(h.call_later(std::chrono::duration<double>(nan), [] {}),
                    fiber_error);
    CHECK_THROWS_AS(h.call_later_local(-1h, [] {}), fiber_error);
    CHECK(h.armed_timers() == 0);
}

TEST_CASE_FIXTURE(clean_end_of_threads,
                  "another thread's hub takes posts and stop, and no more") {
    hub& mine = hub::current();
    int refused = 0;
    test::on_other_thread([&] {
        const std::vector<std::function<void()>> calls{
            [&] { mine.call_soon([] {}); },
            [&] { mine.call_later(1s, [] {}); },
            [&] { mine.call_at(never, [] {}); },
            [&] { mine.call_later_local(1s, [] {}); },
            [&] { mine.run_forever(); },
            [&] { mine.switch_out(); },
        };
        for (const auto& call : calls) {
            try {
                call();
            } catch (const fiber_error& e) {
                refused += e.code() == errc::wrong_thread ? 1 : 0;
            }
        }
    });
    CHECK(refused == 6);
}

TEST_SUITE_END();
