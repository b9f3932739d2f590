// queue_task_test.cpp - resize, task_done and join.
//
// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/fiber.hpp>
#include <tendril/runtime/hub.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>
#include <tendril/runtime/timeout.hpp>
#include <tendril/sync/queue.hpp>
#include <tendril/test/virtual_time.hpp>

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "../support/at_end.hpp"
#include "../support/counted.hpp"
#include "../support/errc_of.hpp"
#include "../support/kill_everywhere.hpp"
#include <doctest/doctest.h>

using namespace std::chrono_literals;
using namespace tendril;
using test::clean_items;
using test::errc_of;
using test::virtual_time;

TEST_SUITE_BEGIN("sync/queue tasks");

TEST_CASE_FIXTURE(clean_items, "resizing a full queue down drops nothing") {
    queue<int> q(5);
    for (int i = 0; i < 5; ++i) q.put(i);
    q.resize(1);
    CHECK(q.size() == 5);
    CHECK(q.full());
    CHECK(!q.try_put(9));
    auto putter = spawn([&] { q.put(5); });
    yield();
    for (int i = 0; i < 4; ++i) CHECK(q.get() == i);
    yield();
    CHECK(!putter.done());
    CHECK(q.get() == 4);
    CHECK(q.get() == 5);
    putter.wait();
    CHECK(q.empty());
}

TEST_CASE_FIXTURE(clean_items, "resizing up lets in the putters there is room for") {
    queue<int> q(1);
    q.put(0);
    std::vector<fiber<>> putters;
    for (int i = 1; i <= 20; ++i) putters.push_back(spawn([&q, i] { q.put(i); }));
    yield();
    q.resize(4);
    CHECK(q.size() == 4);
    CHECK(q.putting_count() == 17);
    yield();
    CHECK(putters[2].done());
    CHECK(!putters[3].done());
    q.resize(unbounded);
    CHECK(q.putting_count() == 0);
    CHECK(q.size() == 21);
    for (int i = 0; i <= 20; ++i) CHECK(q.get() == i);
    yield();
}

TEST_CASE_FIXTURE(clean_items, "resized to 0 with items in it, it gives those first") {
    queue<int> q(2);
    q.put(1);
    q.put(2);
    q.resize(0);
    auto putter = spawn([&] { q.put(3); });
    yield();
    CHECK(q.get() == 1);
    CHECK(q.get() == 2);
    CHECK(!putter.done());
    CHECK(q.get() == 3);
    putter.wait();
}

TEST_CASE_FIXTURE(clean_items, "resize while getters wait changes nothing for them") {
    queue<int> q(3);
    auto a = spawn([&] { return q.get(); }), b = spawn([&] { return q.get(); });
    yield();
    q.resize(0);
    q.resize(7);
    q.put(1);
    q.put(2);
    CHECK(a.wait() == 1);
    CHECK(b.wait() == 2);
}

TEST_CASE_FIXTURE(clean_items, "join on a queue that was never used returns at once") {
    bool ran = false;
    auto other = spawn([&] { ran = true; });
    queue<int> q, rendezvous(0);
    q.join();
    rendezvous.join();
    CHECK(!ran);
    other.wait();
}

TEST_CASE_FIXTURE(clean_items, "join waits until each item that was put is done with") {
    queue<int> q;
    std::string log;
    for (int i = 0; i < 3; ++i) q.put(i);
    CHECK(q.unfinished_tasks() == 3);
    std::vector<fiber<>> joiners;
    for (const char name : {'a', 'b'}) {
        joiners.push_back(spawn([&, name] {
            q.join();
            log += name;
        }));
    }
    for (int i = 0; i < 3; ++i) {
        yield();
        CHECK(log.empty());
        q.get();
        q.task_done();
    }
    CHECK(q.unfinished_tasks() == 0);
    for (const auto& f : joiners) f.wait();
    CHECK(log == "ab");
    q.join();
}

TEST_CASE_FIXTURE(clean_items, "an item counts once it has been put, by every way in") {
    queue<int> q(0);
    auto putter = spawn([&] { q.put(1); });
    yield();
    CHECK(q.unfinished_tasks() == 0);
    CHECK(q.get() == 1);
    CHECK(q.unfinished_tasks() == 1);
    q.task_done();
    putter.wait();
    auto getter = spawn([&] { q.get(); });
    yield();
    CHECK(q.try_put(2));
    CHECK(q.unfinished_tasks() == 1);
    getter.wait();
    auto waiting = spawn([&] { q.put(3); });
    yield();
    q.resize(1);
    CHECK(q.unfinished_tasks() == 2);
    waiting.wait();
    auto next = spawn([&] { q.put(4); });
    yield();
    CHECK(q.get() == 3);
    CHECK(q.unfinished_tasks() == 3);
    next.wait();
    for (int i = 0; i < 3; ++i) q.task_done();
    CHECK(q.unfinished_tasks() == 0);
}

TEST_CASE_FIXTURE(clean_items, "task_done once too often is an error") {
    queue<int> q;
    CHECK(errc_of([&] { q.task_done(); }) == errc::bad_argument);
    q.put(1);
    q.get();
    q.task_done();
    CHECK(errc_of([&] { q.task_done(); }) == errc::bad_argument);
    CHECK(q.unfinished_tasks() == 0);
    q.put(2);
    CHECK(q.unfinished_tasks() == 1);
}

TEST_CASE_FIXTURE(clean_items, "a room that was negative is an error, but for -1") {
    constexpr auto minus = [](std::size_t n) { return SIZE_MAX - n + 1; };
    CHECK(errc_of([&] { queue<int> q(minus(2)); }) == errc::bad_argument);
    queue<int> q(minus(1));
    CHECK(q.capacity() == unbounded);
    CHECK(errc_of([&] { q.resize(minus(3)); }) == errc::bad_argument);
    CHECK(q.capacity() == unbounded);
}

TEST_CASE_FIXTURE(clean_items, "a callback may say that the last task is done") {
    queue<int> q;
    q.put(1);
    auto joiner = spawn([&] { q.join(); });
    yield();
    hub::current().call_soon([&] {
        q.try_get();
        q.task_done();
    });
    joiner.wait();
}

TEST_CASE_FIXTURE(clean_items, "a joiner that is killed or out of time just leaves") {
    virtual_time time;
    queue<int> q;
    q.put(1);
    auto killed = spawn([&] { q.join(); }), stays = spawn([&] { q.join(); });
    yield();
    killed.kill();
    CHECK(killed.done());
    CHECK(!timeout::silent(1s, [&] { q.join(); }));
    CHECK(!stays.done());
    q.task_done();
    stays.wait();
    CHECK(time.passed() == 1s);
}

TEST_CASE_FIXTURE(clean_items, "work is joined though a worker is killed anywhere") {
    const int kills = test::kill_everywhere([](test::doomed& victim) {
        queue<int> q(2);
        int done = 0;
        const auto work = [&] {
            for (;;) {
                q.get();
                const test::at_end finished{[&] {
                    ++done;
                    q.task_done();
                }};
                yield();
            }
        };
        auto a = victim.spawn(work), b = spawn(work);
        for (int i = 0; i < 6; ++i) q.put(i);
        q.join();
        a.kill();
        b.kill();
        return done == 6 && q.unfinished_tasks() == 0;
    });
    CHECK(kills >= 6);
}

TEST_CASE_FIXTURE(clean_items, "a fiber that joined may destroy the queue") {
    auto q = std::make_unique<queue<int>>();
    q->put(1);
    auto joiner = spawn([&] {
        q->join();
        q.reset();
    });
    yield();
    q->task_done();
    joiner.wait();
    CHECK(!q);
}
