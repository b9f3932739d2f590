// queue_thread_test.cpp - queues between hubs: nothing lost, nothing doubled, and each
// producer's order kept.
//
// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/fiber.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>
#include <tendril/sync/queue.hpp>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <memory>
#include <thread>
#include <vector>

#include "../support/counted.hpp"
#include "../support/hub_threads.hpp"
#include "../support/other_thread.hpp"
#include <doctest/doctest.h>

using namespace tendril;
using test::clean_end_of_threads;
using test::counted;
using test::on_threads;

namespace {

constexpr int items = test::repetitions(200'000);

class clean_items_of_threads : test::no_items_left, public clean_end_of_threads {};

// Half of the threads put, half get, with two fibers each.
void pass(std::size_t capacity, int threads) {
    queue<counted> q(capacity);
    const int producers = threads;  // fibers
    const int each = items / producers;
    std::vector<int> times_got(static_cast<std::size_t>(items));
    std::vector<std::vector<int>> got(static_cast<std::size_t>(threads));
    std::atomic<bool> in_order{true};
    on_threads(threads, [&](int thread) {
        std::vector<fiber<>> fibers;
        for (int i = 0; i < 2; ++i) {
            const int me = thread / 2 * 2 + i;
            if (thread % 2 == 0) {
                fibers.push_back(spawn([&, me] {
                    for (int n = 0; n < each; ++n) q.put(counted(me * each + n));
                }));
            } else {
                fibers.push_back(spawn([&, me] {
                    std::vector<int>& mine = got[static_cast<std::size_t>(me)];
                    std::vector<int> last(static_cast<std::size_t>(producers), -1);
                    for (int n = 0; n < each; ++n) {
                        const int item = q.get().value();
                        int& before = last[static_cast<std::size_t>(item / each)];
                        if (item <= before) in_order = false;
                        before = item;
                        mine.push_back(item);
                    }
                }));
            }
        }
        for (const auto& f : fibers) f.wait();
    });
    for (const auto& mine : got) {
        for (const int item : mine) ++times_got[static_cast<std::size_t>(item)];
    }
    CHECK(in_order);
    CHECK(std::all_of(times_got.begin(), times_got.begin() + each * producers,
                      [](int times) { return times == 1; }));
    CHECK(q.empty());
    CHECK(q.putting_count() == 0);
    CHECK(q.getting_count() == 0);
}

}  // namespace

TEST_SUITE_BEGIN("sync/queue between threads");

TEST_CASE_FIXTURE(clean_items_of_threads, "from hand to hand between threads") {
    pass(0, 2);
    pass(0, 4);
}

TEST_CASE_FIXTURE(clean_items_of_threads, "through room for one between threads") {
    pass(1, 2);
    pass(1, 4);
}

TEST_CASE_FIXTURE(clean_items_of_threads, "through room for 64 between threads") {
    pass(64, 2);
    pass(64, 4);
}

TEST_CASE_FIXTURE(clean_items_of_threads,
                  "through any amount of room between threads") {
    pass(unbounded, 2);
    pass(unbounded, 4);
}

TEST_CASE_FIXTURE(clean_items_of_threads,
                  "resized all the time, a queue passes everything on") {
    constexpr int each = items / 4;
    queue<counted> q(0);
    std::atomic<int> got{0};
    std::atomic<long long> sum{0};
    on_threads(3, [&](int thread) {
        if (thread == 0) {
            for (int i = 0; i < each; ++i) q.put(counted(i));
        } else if (thread == 1) {
            for (int i = 0; i < each; ++i) {
                sum += q.get().value();
                ++got;
            }
        } else {
            std::size_t next = 0;
            while (got < each) {
                q.resize(next++ % 5);
                test::give_way();
            }
        }
    });
    CHECK(sum == static_cast<long long>(each) * (each - 1) / 2);
    CHECK(q.size() == 0);
}

TEST_CASE_FIXTURE(clean_items_of_threads,
                  "whoever gets the last item may destroy it, on any thread") {
    constexpr int rounds = test::repetitions(20'000);
    std::atomic<queue<int>*> box{nullptr};
    int right = 0;
    on_threads(2, [&](int thread) {
        for (int i = 0; i < rounds; ++i) {
            if (thread == 0) {
                const auto mine = std::make_unique<queue<int>>(1);
                box = mine.get();
                if (mine->get() == i) ++right;
            } else {
                queue<int>* theirs = nullptr;
                while ((theirs = box.exchange(nullptr)) == nullptr) {
                    test::give_way();
                }
                theirs->put(int{i});
            }
        }
    });
    CHECK(right == rounds);
}

TEST_CASE_FIXTURE(clean_items_of_threads, "join waits for work done by other threads") {
    constexpr int each = items / 8;
    queue<int> q(16);
    std::atomic<int> done{0};
    int done_at_join = 0;
    on_threads(3, [&](int thread) {
        if (thread == 0) {
            for (int i = 0; i < 2 * each; ++i) q.put(int{i});
            q.join();
            done_at_join = done;
        } else {
            for (int i = 0; i < each; ++i) {
                q.get();
                ++done;
                q.task_done();
            }
        }
    });
    CHECK(done_at_join == 2 * each);
    CHECK(q.unfinished_tasks() == 0);
}
