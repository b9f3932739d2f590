// queue_kill_test.cpp - kills and timeouts at both ends: no item is lost, none doubled.
//
// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/fiber.hpp>
#include <tendril/runtime/hub.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>
#include <tendril/runtime/timeout.hpp>
#include <tendril/sync/queue.hpp>
#include <tendril/test/virtual_time.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <string>
#include <vector>

#include "../support/counted.hpp"
#include "../support/kill_everywhere.hpp"
#include <doctest/doctest.h>

using namespace std::chrono_literals;
using namespace tendril;
using test::clean_items;
using test::counted;
using test::virtual_time;

namespace {

// Fibers that get one item each and note it.
std::vector<fiber<>> getters_of(queue<counted>& q, std::vector<int>& got, int count) {
    std::vector<fiber<>> fibers;
    for (int i = 0; i < count; ++i) {
        fibers.push_back(spawn([&] { got.push_back(q.get().value()); }));
    }
    yield();
    return fibers;
}

// Fibers that put 0, 1, 2...
std::vector<fiber<>> putters_to(queue<counted>& q, int count) {
    std::vector<fiber<>> fibers;
    for (int i = 0; i < count; ++i) {
        fibers.push_back(spawn([&q, i] { q.put(counted(i)); }));
    }
    yield();
    return fibers;
}

}  // namespace

TEST_SUITE_BEGIN("sync/queue kills");

TEST_CASE_FIXTURE(clean_items, "a getter killed in line leaves, the others get") {
    for (std::size_t victim = 0; victim < 4; ++victim) {
        queue<counted> q;
        std::vector<int> got;
        const auto fibers = getters_of(q, got, 4);
        fibers[victim].kill();
        CHECK(q.getting_count() == 3);
        for (int i = 0; i < 4; ++i) q.put(counted(i));
        yield();
        CHECK(got == std::vector{0, 1, 2});
        CHECK(q.get().value() == 3);
    }
}

TEST_CASE_FIXTURE(clean_items, "a putter killed in line leaves with its item") {
    for (const std::size_t capacity : {0, 1}) {
        for (int victim = 0; victim < 4; ++victim) {
            queue<counted> q(capacity);
            if (capacity == 1) q.put(counted(-5));
            const auto fibers = putters_to(q, 4);
            fibers[static_cast<std::size_t>(victim)].kill();
            CHECK(q.putting_count() == 3);
            if (capacity == 1) CHECK(q.get().value() == -5);
            for (int i = 0; i < 4; ++i) {
                if (i != victim) CHECK(q.get().value() == i);
            }
            CHECK(!q.try_get());
            yield();
        }
    }
}

TEST_CASE_FIXTURE(clean_items, "killed with its item on the way, a getter has it") {
    for (const std::size_t capacity : {std::size_t{0}, std::size_t{1}, unbounded}) {
        queue<counted> q(capacity);
        std::vector<int> got;
        auto getter = spawn([&] {
            got.push_back(q.get().value());
            got.push_back(q.get().value());
        });
        yield();
        CHECK(q.try_put(counted(1)));
        getter.kill();
        getter.join();
        CHECK_THROWS_AS(getter.wait(), greenlet_exit);
        CHECK(got == std::vector{1});
        CHECK(q.getting_count() == 0);
    }
}

TEST_CASE_FIXTURE(clean_items, "killed with its item taken, a putter has put it") {
    for (const std::size_t capacity : {0, 1}) {
        queue<counted> q(capacity);
        if (capacity == 1) q.put(counted(0));
        std::string log;
        auto putter = spawn([&] {
            q.put(counted(1));
            log += "put";
            yield();
            log += " not reached";
        });
        yield();
        if (capacity == 1) q.get();
        CHECK((capacity == 1 || q.get().value() == 1));
        putter.kill();
        putter.join();
        CHECK(log == "put");
        if (capacity == 1) CHECK(q.get().value() == 1);
        CHECK(!q.try_get());
    }
}

TEST_CASE_FIXTURE(clean_items,
                  "killed in the turn it leaves to the getter, it has put") {
    queue<counted> q(0);
    std::string log;
    auto getter = spawn([&] { log += q.get().value() == 1 ? "got " : "lost "; });
    yield();
    auto putter = spawn([&] {
        q.put(counted(1));
        log += "put ";
        yield();
        log += "not reached";
    });
    hub::current().call_soon([&] { putter.kill(); });
    putter.join();
    CHECK(log == "got put ");
    CHECK_THROWS_AS(putter.wait(), greenlet_exit);
}

TEST_CASE_FIXTURE(clean_items, "killed, then put: the next getter has the item") {
    queue<counted> q;
    std::vector<int> got;
    const auto fibers = getters_of(q, got, 2);
    hub::current().call_soon([&] {
        fibers[0].kill();
        q.try_put(counted(7));
    });
    fibers[1].wait();
    CHECK(got == std::vector{7});
    CHECK(fibers[0].done());
}

TEST_CASE_FIXTURE(clean_items, "killed, then taken: the next putter has the room") {
    queue<counted> q(1);
    q.put(counted(9));
    const auto fibers = putters_to(q, 2);
    hub::current().call_soon([&] {
        fibers[0].kill();
        CHECK(q.try_get()->value() == 9);
    });
    fibers[1].wait();
    CHECK(q.get().value() == 1);
    CHECK(!q.try_get());
}

TEST_CASE_FIXTURE(clean_items, "killing all who wait leaves the queue as good as new") {
    queue<counted> q(1);
    std::vector<int> got;
    for (const auto& f : getters_of(q, got, 20)) f.kill();
    CHECK(q.getting_count() == 0);
    q.put(counted(1));
    for (const auto& f : putters_to(q, 20)) f.kill();
    CHECK(q.putting_count() == 0);
    CHECK(q.get().value() == 1);
    q.put(counted(2));
    CHECK(q.get().value() == 2);
    CHECK(got.empty());
}

TEST_CASE_FIXTURE(clean_items, "scopes that run out in get and put move nothing") {
    virtual_time time;
    queue<counted> q(1);
    CHECK(!timeout::silent(1s, [&] { q.get(); }));
    q.put(counted(1));
    counted mine(2);
    CHECK(!timeout::silent(1s, [&] { q.put(std::move(mine)); }));
    CHECK(mine.value() == 2);
    CHECK(time.passed() == 2s);
    CHECK(q.get().value() == 1);
    CHECK(!q.try_get());
}

TEST_CASE_FIXTURE(clean_items, "a scope that runs out as the item comes is late") {
    virtual_time time;
    queue<counted> q;
    int got = 0;
    hub::current().call_later(1s, [&] { q.try_put(counted(1)); });
    CHECK(!timeout::silent(1s, [&] {
        got = q.get().value();
        yield();
        got = -1;
    }));
    CHECK(got == 1);
}

namespace {

// What one side has and the other side has not, wherever the victim is killed.
bool nothing_lost(test::doomed& victim, std::size_t capacity, bool kill_putter) {
    queue<counted> q(capacity);
    std::vector<int> put, got;
    const auto putter = [&](int first) {
        for (int i = 0; i < 3; ++i) {
            counted item(first + i);
            try {
                q.put(std::move(item));
            } catch (...) {
                // Killed while it waited: still its own, whole.
                if (item.value() != first + i) put.push_back(-100);
                throw;
            }
            put.push_back(first + i);
            if (i == 1) yield();
        }
    };
    const auto getter = [&] {
        for (int i = 0; i < 4; ++i) {
            const auto item = q.get_for(1s);
            if (item) got.push_back(item->value());
            if (i == 1) yield();
        }
    };
    const auto first = [&] { putter(10); };
    const auto second = [&] { putter(20); };
    std::vector<fiber<>> fibers{spawn(second), spawn(getter)};
    fibers.push_back(kill_putter ? victim.spawn(first) : spawn(first));
    fibers.push_back(kill_putter ? spawn(getter) : victim.spawn(getter));
    for (const auto& f : fibers) {
        while (!f.join(hub::current().now() + 10s)) {
            // A dead getter's share: the putters wait for somebody.
            while (auto item = q.try_get()) got.push_back(item->value());
        }
    }
    while (auto item = q.try_get()) got.push_back(item->value());
    std::sort(put.begin(), put.end());
    std::sort(got.begin(), got.end());
    return put == got && q.putting_count() == 0 && q.getting_count() == 0;
}

}  // namespace

TEST_CASE_FIXTURE(clean_items, "a getter killed anywhere loses and doubles nothing") {
    for (const std::size_t capacity : {std::size_t{0}, std::size_t{1}, unbounded}) {
        const int kills = test::kill_everywhere(
            [&](test::doomed& v) { return nothing_lost(v, capacity, false); });
        CHECK(kills >= 5);
    }
}

TEST_CASE_FIXTURE(clean_items, "a putter killed anywhere knows whether it has put") {
    for (const std::size_t capacity : {std::size_t{0}, std::size_t{1}, unbounded}) {
        const int kills = test::kill_everywhere(
            [&](test::doomed& v) { return nothing_lost(v, capacity, true); });
        CHECK(kills >= (capacity == unbounded ? 1 : 4));
    }
}
