// queue_thread_kill_test.cpp - one thread whose fibers are killed and run out of time
// at random, while those of others put and get.
//
// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/sleep.hpp>
#include <tendril/sync/queue.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <thread>
#include <utility>
#include <vector>

#include "../support/counted.hpp"
#include "../support/hub_threads.hpp"
#include "../support/live_dangerously.hpp"
#include "../support/other_thread.hpp"
#include <doctest/doctest.h>

using namespace std::chrono_literals;
using namespace tendril;
using test::clean_end_of_threads;
using test::counted;
using test::in_a_hurry;
using test::live_dangerously;
using test::on_threads;
using test::random_source;

TEST_SUITE_BEGIN("sync/queue between threads, kills");

namespace {

// Everything that was put, by whomever, is got or left, once.
void put_and_get_dangerously(unsigned seed, std::size_t capacity) {
    queue<counted> q(capacity);
    std::atomic<int> next{0};
    std::atomic<bool> over{false}, whole{true};
    std::vector<int> put[3], got[3];  // by thread
    const auto put_one = [&](std::vector<int>& log, const auto& how) {
        const int value = next++;
        counted item(value);
        bool done = false;
        try {
            done = how(item);
        } catch (...) {
            if (item.value() != value) whole = false;
            throw;
        }
        if (done) log.push_back(value);
        if (!done && item.value() != value) whole = false;
    };
    on_threads(3, [&](int thread) {
        std::vector<int>& my_puts = put[thread];
        std::vector<int>& my_gots = got[thread];
        if (thread == 0) {
            live_dangerously(seed, [&](random_source& random) {
                const auto limit = std::chrono::microseconds(random() % 50);
                in_a_hurry(random, [&] {
                    if (random() % 2 == 0) {
                        put_one(my_puts, [&](counted& item) {
                            return q.put_for(std::move(item), limit);
                        });
                    } else if (const auto item = q.get_for(limit)) {
                        my_gots.push_back(item->value());
                    }
                });
                yield();
            });
            over = true;
        } else if (thread == 1) {
            while (!over) {
                put_one(my_puts, [&](counted& item) {
                    return q.put_for(std::move(item), 100us);
                });
                while (q.size() > 1000 && !over) test::give_way();
            }
        } else {
            while (!over) {
                if (const auto item = q.get_for(100us)) {
                    my_gots.push_back(item->value());
                }
            }
        }
    });
    std::vector<int> all_put, all_got;
    for (int i = 0; i < 3; ++i) {
        all_put.insert(all_put.end(), put[i].begin(), put[i].end());
        all_got.insert(all_got.end(), got[i].begin(), got[i].end());
    }
    while (const auto item = q.try_get()) all_got.push_back(item->value());
    std::sort(all_put.begin(), all_put.end());
    std::sort(all_got.begin(), all_got.end());
    CHECK(whole);
    CHECK(all_put == all_got);
    CHECK(q.putting_count() == 0);
    CHECK(q.getting_count() == 0);
}

}  // namespace

TEST_CASE_FIXTURE(clean_end_of_threads,
                  "a rendezvous survives the kills of one thread") {
    put_and_get_dangerously(5, 0);
    CHECK(counted::alive() == 0);
}

TEST_CASE_FIXTURE(clean_end_of_threads,
                  "a bounded queue survives the kills of one thread") {
    put_and_get_dangerously(6, 1);
    put_and_get_dangerously(7, 64);
    CHECK(counted::alive() == 0);
}

TEST_CASE_FIXTURE(clean_end_of_threads,
                  "an unbounded queue survives the kills of one thread") {
    put_and_get_dangerously(8, unbounded);
    CHECK(counted::alive() == 0);
}
