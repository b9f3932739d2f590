// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/fiber.hpp>
#include <tendril/runtime/hub.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>
#include <tendril/runtime/timeout.hpp>
#include <tendril/sync/event.hpp>
#include <tendril/sync/pool.hpp>
#include <tendril/test/virtual_time.hpp>

#include <chrono>
#include <functional>
#include <set>
#include <stdexcept>
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

TEST_SUITE_BEGIN("sync/pool");

TEST_CASE_FIXTURE(clean_end, "one runs and the others wait to spawn, counted") {
    pool p(1);
    event<> done;
    const auto spawner = [&] { p.spawn([&] { done.wait(); }); };
    CHECK(p.waiting() == 0);
    const auto first = spawn(spawner);
    yield();
    CHECK(p.running() == 1);
    CHECK(p.waiting() == 0);
    const auto second = spawn(spawner);
    yield();
    CHECK(p.running() == 1);
    CHECK(p.waiting() == 1);
    const auto third = spawn(spawner);
    yield();
    CHECK(p.running() == 1);
    CHECK(p.waiting() == 2);
    CHECK(p.free() == 0);
    done.send();
    third.wait();
    p.wait_all();
    CHECK(p.running() == 0);
    CHECK(p.waiting() == 0);
    CHECK(p.free() == 1);
}

TEST_CASE_FIXTURE(clean_end, "a third member of a pool of two waits for one to end") {
    pool p(2);
    event<> go_on;
    std::set<int> ran;
    const auto note = [&](int n) {
        ran.insert(n);
        go_on.wait();
    };
    p.spawn_n(note, 1);
    p.spawn_n(note, 2);
    CHECK(p.free() == 0);
    const auto third = spawn([&] { p.spawn_n([&] { ran.insert(3); }); });
    yield();
    CHECK(ran == std::set<int>{1, 2});
    CHECK_FALSE(third.done());
    go_on.send();
    third.wait();
    yield();
    CHECK(ran == std::set<int>{1, 2, 3});
    p.spawn_n([&] { ran.insert(4); });
    CHECK(ran == std::set<int>{1, 2, 3});
    yield();
    CHECK(ran == std::set<int>{1, 2, 3, 4});
}

TEST_CASE_FIXTURE(clean_end, "spawners are let in in the order they came") {
    pool p(1);
    std::string order;
    p.spawn_n(yield);
    for (char name = 'a'; name < 'e'; ++name) {
        spawn([&p, &order, name] { p.spawn_n([&order, name] { order += name; }); });
    }
    yield();
    p.spawn_n([&] { order += 'e'; });
    p.wait_all();
    CHECK(order == "abcde");
}

TEST_CASE_FIXTURE(clean_end, "a result comes back by the handle, whatever its type") {
    pool p;
    CHECK(p.size() == 1000);
    CHECK(p.spawn([](int a, int b) { return a * b; }, 6, 7).wait() == 42);
    CHECK(p.spawn({.name = "seven"}, [] { return current().name(); }).wait() ==
          "seven");
    int x = 0;
    CHECK(&p.spawn([](int& r) -> int& { return r; }, std::ref(x)).wait() == &x);
}

TEST_CASE_FIXTURE(clean_end, "the slot is free again however a member ends") {
    pool p(1);
    auto returns = p.spawn([] { return 1; });
    CHECK(returns.wait() == 1);
    CHECK(p.free() == 1);
    auto throws = p.spawn([] { throw std::runtime_error("over"); });
    CHECK_THROWS_AS(throws.wait(), std::runtime_error);
    CHECK(p.free() == 1);
    auto killed = p.spawn([] { sleep(forever); });
    yield();
    killed.kill();
    CHECK(p.free() == 1);
    auto unstarted = p.spawn([] {});
    CHECK(p.free() == 0);
    unstarted.kill();
    CHECK(p.free() == 1);
    auto cancelled = p.spawn([] {});
    CHECK(cancelled.cancel());
    CHECK(p.free() == 1);
    p.spawn_n([] { throw std::runtime_error("reported"); });
    p.wait_all();
    CHECK(p.free() == 1);
    REQUIRE(reported.size() == 1);
    reported.clear();
}

TEST_CASE_FIXTURE(clean_end, "a member that was cancelled lets in who waits") {
    pool p(1);
    auto unstarted = p.spawn([] {});
    hub::current().call_soon([&] { unstarted.cancel(); });
    CHECK(p.spawn([] { return 5; }).wait() == 5);
}

TEST_CASE_FIXTURE(clean_end, "a spawn that ran out of time has spawned nothing") {
    virtual_time time;
    pool p(1);
    bool ran = false;
    event<> done;
    p.spawn_n([&] { done.wait(); });
    const duration begin = time.passed();
    CHECK_FALSE(timeout::silent(1s, [&] { p.spawn_n([&] { ran = true; }); }));
    CHECK(time.passed() - begin == 1s);
    CHECK(p.waiting() == 0);
    done.send();
    p.wait_all();
    CHECK_FALSE(ran);
    CHECK(p.free() == 1);
}

TEST_CASE_FIXTURE(clean_end, "killed with its slot on the way it still spawns") {
    pool p(1);
    bool ran = false;
    const auto member = p.spawn([] { sleep(forever); });
    const auto killed = spawn([&] {
        p.spawn_n([&] { ran = true; });
        yield();
    });
    yield();
    member.kill();
    killed.kill();
    p.wait_all();
    CHECK(ran);
    CHECK(p.free() == 1);
}

TEST_CASE_FIXTURE(clean_end, "wait_all returns at once from an empty pool") {
    pool p;
    bool other_ran = false;
    const auto other = spawn([&] { other_ran = true; });
    p.wait_all();
    CHECK_FALSE(other_ran);
    other.wait();
}

TEST_CASE_FIXTURE(clean_end, "wait_all waits for members of members too") {
    pool p(3);
    std::string order;
    p.spawn_n([&] {
        yield();
        p.spawn_n([&] {
            yield();
            order += "inner ";
        });
        order += "outer ";
    });
    p.wait_all();
    CHECK(order == "outer inner ");
}

TEST_CASE_FIXTURE(clean_end, "resized up it lets in those that there is room for") {
    pool p(1);
    event<> done;
    std::vector<fiber<>> spawners;
    p.spawn_n([&] { done.wait(); });
    for (int i = 0; i < 3; ++i) {
        spawners.push_back(spawn([&] { p.spawn_n([&] { done.wait(); }); }));
    }
    yield();
    p.resize(3);
    CHECK(p.running() == 3);
    CHECK(p.waiting() == 1);
    CHECK(p.free() == 0);
    done.send();
    spawners.back().wait();
    p.wait_all();
}

TEST_CASE_FIXTURE(clean_end, "resized down it kills none and lets in none") {
    pool p(2);
    event<> first, second;
    p.spawn_n([&] { first.wait(); });
    p.spawn_n([&] { second.wait(); });
    p.resize(1);
    CHECK(p.size() == 1);
    CHECK(p.running() == 2);
    CHECK(p.free() == -1);
    auto waits = spawn([&] { p.spawn_n([] {}); });
    yield();
    CHECK(p.waiting() == 1);
    first.send();
    yield();
    CHECK(p.running() == 1);
    CHECK(p.waiting() == 1);
    second.send();
    waits.wait();
    p.wait_all();
    CHECK(p.free() == 1);
}

TEST_CASE_FIXTURE(clean_end, "in a pool of none every spawn waits for a resize") {
    pool p(0);
    auto waits = spawn([&] { return p.spawn([] { return 3; }).wait(); });
    yield();
    CHECK(p.waiting() == 1);
    p.resize(1);
    CHECK(waits.wait() == 3);
}

TEST_CASE_FIXTURE(clean_end, "members run on when their pool is gone") {
    event<> done;
    fiber<int> member;
    {
        pool p(1);
        member = p.spawn([&] {
            done.wait();
            return 7;
        });
        yield();
    }
    done.send();
    CHECK(member.wait() == 7);
}

TEST_CASE_FIXTURE(clean_end, "sizes below zero and null functions are errors") {
    CHECK(errc_of([] { pool(-1); }) == errc::bad_argument);
    pool p(1);
    CHECK(errc_of([&] { p.resize(-1); }) == errc::bad_argument);
    CHECK(errc_of([&] { p.spawn(std::function<void()>()); }) == errc::bad_argument);
    CHECK(errc_of([&] { p.spawn_n(std::function<void()>()); }) == errc::bad_argument);
    CHECK(p.free() == 1);
}

TEST_CASE_FIXTURE(clean_end, "a hub callback may spawn but not wait for a slot") {
    pool p(1);
    std::optional<errc> second, all;
    hub::current().call_soon([&] {
        p.spawn_n([] {});
        second = errc_of([&] { p.spawn_n([] {}); });
        all = errc_of([&] { p.wait_all(); });
    });
    yield();
    p.wait_all();
    CHECK(second == errc::in_hub);
    CHECK(all == errc::in_hub);
    CHECK(p.free() == 1);
}

TEST_SUITE_END();
