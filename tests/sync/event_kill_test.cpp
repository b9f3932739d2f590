// event_kill_test.cpp - kills and timeouts of those who wait for an event.
//
// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/fiber.hpp>
#include <tendril/runtime/hub.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>
#include <tendril/runtime/timeout.hpp>
#include <tendril/sync/event.hpp>
#include <tendril/test/virtual_time.hpp>

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "../support/clean_end.hpp"
#include "../support/kill_everywhere.hpp"
#include <doctest/doctest.h>

using namespace std::chrono_literals;
using namespace tendril;
using test::clean_end;
using test::virtual_time;

TEST_SUITE_BEGIN("sync/event kills");

TEST_CASE_FIXTURE(clean_end, "one killed in line leaves, the others are sent it") {
    for (std::size_t victim = 0; victim < 4; ++victim) {
        event<> e;
        std::string had;
        std::vector<fiber<>> fibers;
        for (const char name : {'a', 'b', 'c', 'd'}) {
            fibers.push_back(spawn([&, name] {
                e.wait();
                had += name;
            }));
        }
        yield();
        fibers[victim].kill();
        CHECK(fibers[victim].done());
        e.send();
        for (const auto& f : fibers) f.join();
        std::string others = "abcd";
        others.erase(victim, 1);
        CHECK(had == others);
    }
}

// Nothing is lost by that: what was sent is for everybody, and still there.
TEST_CASE_FIXTURE(clean_end, "killed between the send and its turn, it ends") {
    event<int> e;
    bool had = false;
    auto f = spawn([&] {
        e.wait();
        had = true;
    });
    yield();
    e.send(1);
    f.kill();
    CHECK_THROWS_AS(f.wait(), greenlet_exit);
    CHECK(!had);
    CHECK(e.wait() == 1);
}

TEST_CASE_FIXTURE(clean_end, "a timeout scope ends the wait of its own fiber only") {
    virtual_time time;
    event<int> e;
    auto other = spawn([&] { return e.wait(); });
    CHECK(!timeout::silent(1s, [&] { e.wait(); }));
    CHECK(time.passed() == 1s);
    CHECK(!other.done());
    e.send(2);
    CHECK(other.wait() == 2);
}

TEST_CASE_FIXTURE(clean_end, "a scope and a deadline at one time: the older counts") {
    virtual_time time;
    event<int> e;
    const timeout limit(1s);
    CHECK_THROWS_AS(e.wait_for(1s), timed_out);
    CHECK(hub::current().armed_timers() == 0);
}

TEST_CASE_FIXTURE(clean_end, "a killed fiber lets go of what it was sent") {
    event<std::shared_ptr<int>> e;
    auto value = std::make_shared<int>(1);
    auto f = spawn([&] { return *e.wait(); });
    yield();
    e.send(value);
    e.reset();
    CHECK(value.use_count() == 2);
    f.kill();
    CHECK_THROWS_AS(f.wait(), greenlet_exit);
    CHECK(value.use_count() == 1);
}

TEST_CASE_FIXTURE(clean_end, "killed anywhere, it costs the others no round") {
    const int kills = test::kill_everywhere([](test::doomed& victim) {
        event<std::shared_ptr<int>> e;
        const auto value = std::make_shared<int>(0);
        std::vector<int> had_a, had_v, had_b;
        const auto body = [&](std::vector<int>& had) {
            for (int i = 0; i < 3; ++i) {
                had.push_back(e.wait() == value ? 1 : 0);
                tendril::sleep(1s);
            }
        };
        auto a = spawn([&] { body(had_a); }), v = victim.spawn([&] { body(had_v); }),
             b = spawn([&] { body(had_b); });
        for (int i = 0; i < 3; ++i) {
            yield();
            e.send(value);
            e.reset();
            tendril::sleep(2s);
        }
        a.wait();
        b.wait();
        v.join();
        return had_a == std::vector{1, 1, 1} && had_b == had_a && had_v.size() <= 3 &&
               value.use_count() == 1;
    });
    CHECK(kills >= 5);
}
