// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/fiber.hpp>
#include <tendril/runtime/hub.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>
#include <tendril/sync/priority_queue.hpp>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "../support/clean_end.hpp"
#include <doctest/doctest.h>

using namespace tendril;
using test::clean_end;

TEST_SUITE_BEGIN("sync/priority_queue");

TEST_CASE_FIXTURE(clean_end, "the first by the order comes out first") {
    priority_queue<int> q;
    for (int i = 0; i < 100; ++i) q.put(i * 37 % 100);
    for (int i = 0; i < 100; ++i) CHECK(q.get() == i);
    priority_queue<int, std::greater<>> down;
    for (const int i : {2, 3, 1}) down.put(i);
    CHECK(down.get() == 3);
    CHECK(down.get() == 2);
    CHECK(down.get() == 1);
}

TEST_CASE_FIXTURE(clean_end, "of equal items the oldest comes out first") {
    struct by_rank {
        bool operator()(const std::pair<int, int>& a,
                        const std::pair<int, int>& b) const {
            return a.first < b.first;
        }
    };

    priority_queue<std::pair<int, int>, by_rank> q;
    for (int i = 0; i < 60; ++i) q.put({i % 3, i});
    for (int rank = 0; rank < 3; ++rank) {
        for (int i = rank; i < 60; i += 3) CHECK(q.get() == std::pair{rank, i});
    }
}

TEST_CASE_FIXTURE(clean_end,
                  "a putter that waited for room is in the order from then on") {
    priority_queue<int> q(2);
    q.put(5);
    q.put(6);
    auto putter = spawn([&] { q.put(1); });
    yield();
    CHECK_FALSE(putter.done());
    CHECK(q.get() == 5);
    putter.wait();
    CHECK(q.get() == 1);
    CHECK(q.get() == 6);
    CHECK_FALSE(q.try_get());
}

TEST_CASE_FIXTURE(clean_end, "an item for one who waits is had at once") {
    priority_queue<std::string> q;
    auto getter = spawn([&] { return q.get(); });
    yield();
    q.put("b");
    q.put("a");
    CHECK(getter.wait() == "b");
    CHECK(q.get() == "a");
}

TEST_CASE_FIXTURE(clean_end, "items need only be movable, those left are destroyed") {
    struct by_value {
        bool operator()(const std::unique_ptr<int>& a,
                        const std::unique_ptr<int>& b) const {
            return *a < *b;
        }
    };

    priority_queue<std::unique_ptr<int>, by_value> q;
    for (int i = 9; i >= 0; --i) q.put(std::make_unique<int>(i));
    CHECK(*q.get() == 0);
    CHECK(q.size() == 9);
}

TEST_SUITE_END();
