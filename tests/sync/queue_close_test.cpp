// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/fiber.hpp>
#include <tendril/runtime/hub.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>
#include <tendril/sync/lifo_queue.hpp>
#include <tendril/sync/priority_queue.hpp>
#include <tendril/sync/queue.hpp>

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "../support/clean_end.hpp"
#include "../support/errc_of.hpp"
#include <doctest/doctest.h>

using namespace std::chrono_literals;
using namespace tendril;
using test::clean_end;
using test::errc_of;

TEST_SUITE_BEGIN("sync/queue close");

TEST_CASE_FIXTURE(clean_end, "what was put before is given out, then it is an error") {
    queue<int> q;
    q.put(1);
    q.put(2);
    CHECK_FALSE(q.closed());
    q.close();
    CHECK(q.closed());
    CHECK(q.size() == 2);
    CHECK(q.get() == 1);
    CHECK(q.try_get() == 2);
    CHECK(errc_of([&] { q.get(); }) == errc::closed);
    CHECK(errc_of([&] { q.get_for(1s); }) == errc::closed);
    CHECK_FALSE(q.try_get());
    q.close();
}

TEST_CASE_FIXTURE(clean_end, "a put into it is an error, and the item is as it was") {
    queue<std::string> q(4);
    q.close();
    std::string item = "mine";
    CHECK(errc_of([&] { q.put(std::move(item)); }) == errc::closed);
    CHECK(item == "mine");
    CHECK(errc_of([&] { q.put_for(std::move(item), 1s); }) == errc::closed);
    CHECK_FALSE(q.try_put(std::move(item)));
    CHECK(item == "mine");
    CHECK(q.capacity() == 0);
    q.resize(5);
    CHECK_FALSE(q.try_put(item));
}

TEST_CASE_FIXTURE(clean_end, "getters in line are told, all of them") {
    queue<int> q;
    std::vector<fiber<std::optional<errc>>> getters;
    for (int i = 0; i < 3; ++i) {
        getters.push_back(spawn([&, i] {
            return errc_of([&] { i == 0 ? q.get_for(1h).value() : q.get(); });
        }));
    }
    yield();
    q.close();
    for (auto& g : getters) CHECK(g.wait() == errc::closed);
}

TEST_CASE_FIXTURE(clean_end, "putters in line are told, and keep their items") {
    for (const std::size_t capacity : {0U, 1U}) {
        queue<std::string> q(capacity);
        if (capacity == 1) q.put("first");
        std::string kept = "kept";
        auto putter = spawn([&] { return errc_of([&] { q.put(std::move(kept)); }); });
        yield();
        q.close();
        CHECK(putter.wait() == errc::closed);
        CHECK(kept == "kept");
        CHECK(q.try_get().has_value() == (capacity == 1));
        CHECK(errc_of([&] { q.get(); }) == errc::closed);
    }
}

TEST_CASE_FIXTURE(clean_end, "a range-for goes to the end of a closed queue") {
    queue<int> q(2);
    auto producer = spawn([&] {
        for (int i = 0; i < 10; ++i) q.put(i);
        q.close();
    });
    std::vector<int> had;
    for (const int i : q) had.push_back(i);
    CHECK(had == std::vector{0, 1, 2, 3, 4, 5, 6, 7, 8, 9});
    producer.wait();
    for (const int i : q) CHECK(i == -1);
}

TEST_CASE_FIXTURE(clean_end, "join waits for what was put before, as ever") {
    queue<int> q;
    q.put(1);
    q.close();
    auto joiner = spawn([&] { q.join(); });
    q.get();
    yield();
    CHECK_FALSE(joiner.done());
    q.task_done();
    joiner.wait();
}

// In turn in a queue of each kind.
TEST_CASE_TEMPLATE("close_now: what is in it is dropped and counts as done",
                   Queue,
                   queue<std::shared_ptr<int>>,
                   lifo_queue<std::shared_ptr<int>>,
                   priority_queue<std::shared_ptr<int>>) {
    const clean_end checked;
    const auto item = std::make_shared<int>(1);
    Queue q(3);
    for (int i = 0; i < 3; ++i) q.put(item);
    auto late = item;
    auto putter = spawn([&] { return errc_of([&] { q.put(std::move(late)); }); });
    auto joiner = spawn([&] { q.join(); });
    yield();
    CHECK(item.use_count() == 5);
    q.close_now();
    CHECK(item.use_count() == 2);
    CHECK(q.closed());
    CHECK(q.empty());
    CHECK(q.unfinished_tasks() == 0);
    joiner.wait();
    CHECK(putter.wait() == errc::closed);
    CHECK(late == item);
    CHECK(errc_of([&] { q.get(); }) == errc::closed);
    CHECK(errc_of([&] { q.put(item); }) == errc::closed);
    q.close_now();
}

TEST_CASE_FIXTURE(clean_end, "close_now: join waits for what has been taken") {
    queue<int> q;
    q.put(1);
    q.put(2);
    CHECK(q.get() == 1);
    q.close();
    q.close_now();
    CHECK(errc_of([&] { q.get(); }) == errc::closed);
    auto joiner = spawn([&] { q.join(); });
    auto getter = spawn([&] { return errc_of([&] { q.get(); }); });
    yield();
    CHECK(getter.wait() == errc::closed);
    CHECK_FALSE(joiner.done());
    q.task_done();
    joiner.wait();
    CHECK(errc_of([&] { q.task_done(); }) == errc::bad_argument);
}

TEST_CASE_FIXTURE(clean_end, "close_now: getters in line are told") {
    queue<int> q;
    auto getter = spawn([&] { return errc_of([&] { q.get(); }); });
    yield();
    q.close_now();
    CHECK(getter.wait() == errc::closed);
}

// Its end uses the queue that it was in.
TEST_CASE_FIXTURE(clean_end, "close_now: items are destroyed without the lock") {
    queue<std::shared_ptr<int>> q;
    bool looked = false;
    q.put(std::shared_ptr<int>(new int(1), [&](const int* p) {
        delete p;
        looked = q.closed() && q.empty();
    }));
    q.close_now();
    CHECK(looked);
}

TEST_CASE_FIXTURE(clean_end, "a callback may close it") {
    queue<int> q;
    hub::current().call_soon([&] { q.close(); });
    CHECK(errc_of([&] { q.get(); }) == errc::closed);
}

TEST_SUITE_END();
