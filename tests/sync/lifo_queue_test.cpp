// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/fiber.hpp>
#include <tendril/runtime/hub.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>
#include <tendril/sync/lifo_queue.hpp>

#include <memory>
#include <optional>
#include <vector>

#include "../support/clean_end.hpp"
#include <doctest/doctest.h>

using namespace tendril;
using test::clean_end;

TEST_SUITE_BEGIN("sync/lifo_queue");

TEST_CASE_FIXTURE(clean_end, "the newest item comes out first") {
    lifo_queue<int> q;
    for (int i = 0; i < 100; ++i) q.put(i);
    for (int i = 99; i >= 0; --i) CHECK(q.get() == i);
    CHECK(q.empty());
}

TEST_CASE_FIXTURE(clean_end,
                  "those who wait are served in the order they came, at both ends") {
    lifo_queue<int> q(1);
    q.put(0);
    std::vector<fiber<>> putters;
    for (int i = 1; i <= 3; ++i) putters.push_back(spawn([&, i] { q.put(i); }));
    yield();
    std::vector<int> had;
    for (int i = 0; i < 4; ++i) had.push_back(q.get());
    CHECK(had == std::vector{0, 1, 2, 3});
    std::vector<fiber<int>> getters;
    for (int i = 0; i < 2; ++i) getters.push_back(spawn([&] { return q.get(); }));
    yield();
    q.put(7);
    q.put(8);
    CHECK(getters[0].wait() == 7);
    CHECK(getters[1].wait() == 8);
    for (const auto& p : putters) p.wait();
}

TEST_CASE_FIXTURE(clean_end, "items need only be movable, those left are destroyed") {
    const auto witness = std::make_shared<int>(1);
    {
        lifo_queue<std::unique_ptr<std::shared_ptr<int>>> q;
        for (int i = 0; i < 20; ++i) {
            q.put(std::make_unique<std::shared_ptr<int>>(witness));
        }
        CHECK(**q.get() == 1);
        CHECK(witness.use_count() == 20);
    }
    CHECK(witness.use_count() == 1);
}

TEST_SUITE_END();
