// pool_thread_test.cpp - pools that several threads use at once.
//
// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/sleep.hpp>
#include <tendril/sync/pool.hpp>

#include <atomic>
#include <thread>

#include "../support/at_end.hpp"
#include "../support/hub_threads.hpp"
#include "../support/live_dangerously.hpp"
#include "../support/other_thread.hpp"
#include <doctest/doctest.h>

using namespace tendril;
using test::clean_end_of_threads;
using test::in_a_hurry;
using test::live_dangerously;
using test::on_threads;
using test::random_source;

TEST_SUITE_BEGIN("sync/pool between threads");

TEST_CASE_FIXTURE(clean_end_of_threads, "members of three threads share the slots") {
    pool p(4);
    std::atomic<int> inside{0}, ran{0};
    std::atomic<bool> over{false}, elsewhere{false};
    constexpr int count = test::repetitions(10'000);
    on_threads(3, [&](int) {
        const auto home = std::this_thread::get_id();
        for (int i = 0; i < count; ++i) {
            p.spawn_n([&, home] {
                if (++inside > 4) over = true;
                if (std::this_thread::get_id() != home) elsewhere = true;
                test::give_way();
                --inside;
                ++ran;
            });
        }
        p.wait_all();
    });
    CHECK_FALSE(over);
    CHECK_FALSE(elsewhere);
    CHECK(ran == 3 * count);
    CHECK(p.free() == 4);
}

TEST_CASE_FIXTURE(clean_end_of_threads, "killed at random no slot is lost or new") {
    pool p(3);
    std::atomic<int> inside{0};
    std::atomic<bool> over{false}, too_many{false};
    const auto body = [&] {
        if (++inside > 3) too_many = true;
        const test::at_end leave{[&] { --inside; }};
        yield();
    };
    on_threads(3, [&](int thread) {
        if (thread == 0) {
            live_dangerously(7, [&](random_source& random) {
                in_a_hurry(random, [&] {
                    const auto member = p.spawn(body);
                    if (random() % 3 == 0) member.kill();
                    if (random() % 3 == 0) member.join();
                });
                yield();
            });
            over = true;
        } else {
            while (!over) p.spawn(body).join();
        }
        p.wait_all();
    });
    CHECK_FALSE(too_many);
    CHECK(p.running() == 0);
    CHECK(p.waiting() == 0);
    CHECK(p.free() == 3);
}

TEST_SUITE_END();
