// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/error.hpp>
#include <tendril/runtime/hub.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>
#include <tendril/sync/fiber_pool.hpp>
#include <tendril/sync/flag.hpp>
#include <tendril/sync/future.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <functional>
#include <latch>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "../support/clean_end.hpp"
#include "../support/errc_of.hpp"
#include "../support/hasty_time.hpp"
#include "../support/hub_threads.hpp"
#include "../support/other_thread.hpp"
#include <doctest/doctest.h>

using namespace std::chrono_literals;
using namespace tendril;
using test::clean_end_of_threads;
using test::errc_of;

TEST_SUITE_BEGIN("sync/fiber_pool");

TEST_CASE_FIXTURE(clean_end_of_threads,
                  "results and errors come back to whoever asks") {
    fiber_pool pool;
    pool.start();
    const auto sum = pool.submit([](int a, int b) { return a + b; }, 1, 2);
    const auto bad = pool.submit([] { throw std::runtime_error("bad"); });
    const auto owned = pool.submit([p = std::make_unique<int>(4)] { return *p; });
    CHECK(sum.wait() == 3);
    CHECK(owned.wait() == 4);
    CHECK_THROWS_WITH_AS(bad.wait(), "bad", std::runtime_error);
    CHECK(pool.close());
}

TEST_CASE_FIXTURE(clean_end_of_threads, "so many run at a time and the rest in order") {
    constexpr int tasks = 20, workers = 3;
    fiber_pool pool(workers);
    pool.start();
    int now = 0, most = 0;
    std::vector<int> begun, in_order;
    for (int i = 0; i < tasks; ++i) {
        in_order.push_back(i);
        pool.submit([&, i] {
            begun.push_back(i);
            most = std::max(most, ++now);
            for (int n = 0; n < 5; ++n) yield();
            --now;
        });
    }
    CHECK(pool.close());
    CHECK(begun == in_order);
    CHECK(most == workers);
}

TEST_CASE_FIXTURE(clean_end_of_threads,
                  "a task that is cancelled in line takes no slot") {
    fiber_pool pool(1);
    pool.start();
    flag go;
    bool ran = false;
    const auto first = pool.submit([&] { go.wait(); });
    const auto second = pool.submit([&] { ran = true; });
    const auto third = pool.submit([] { return 3; });
    CHECK(second.cancel());
    CHECK_THROWS_AS(second.wait(), greenlet_exit);
    CHECK_FALSE(first.done());
    go.set();
    CHECK(third.wait() == 3);
    CHECK_FALSE(ran);
    CHECK(pool.close());
    // One that runs gives its slot back.
    fiber_pool other(1);
    other.start();
    flag begun;
    const auto killed = other.submit([&] {
        begun.set();
        tendril::sleep(forever);
    });
    begun.wait();
    CHECK(killed.cancel());
    CHECK(other.submit([] { return 4; }).wait() == 4);
    CHECK(other.close());
}

TEST_CASE_FIXTURE(clean_end_of_threads, "close waits for what has been submitted") {
    fiber_pool pool(2);
    pool.start();
    flag go;
    int done = 0;
    for (int i = 0; i < 5; ++i) {
        pool.submit([&] {
            go.wait();
            ++done;
        });
    }
    std::optional<errc> late;
    auto other = spawn([&] {
        late = errc_of([&] { pool.submit([] {}); });
        go.set();
    });
    CHECK(pool.close());
    other.wait();
    CHECK(done == 5);
    CHECK(late == errc::closed);
    CHECK(pool.close());
}

TEST_CASE_FIXTURE(clean_end_of_threads, "close kills what has not ended in time") {
    fiber_pool pool(1);
    pool.start();
    flag begun;
    bool cleaned_up = false;
    const auto first = pool.submit([&] {
        begun.set();
        try {
            tendril::sleep(forever);
        } catch (const greenlet_exit&) {
            tendril::sleep(1ms);
            cleaned_up = true;
            throw;
        }
    });
    const auto second = pool.submit([] {});
    begun.wait();
    CHECK_FALSE(pool.close_for(0s));
    CHECK(cleaned_up);
    CHECK(first.done());
    CHECK_THROWS_AS(first.wait(), greenlet_exit);
    CHECK_THROWS_AS(second.wait(), greenlet_exit);
    CHECK_FALSE(pool.close());
}

TEST_CASE_FIXTURE(clean_end_of_threads, "its destructor kills what has not ended") {
    future<> f;
    {
        fiber_pool pool;
        pool.start();
        f = pool.submit([] { tendril::sleep(forever); });
    }
    CHECK(f.done());
    CHECK_THROWS_AS(f.wait(), greenlet_exit);
}

TEST_CASE_FIXTURE(clean_end_of_threads,
                  "who waits in close may be killed and close again") {
    fiber_pool pool;
    pool.start();
    flag go;
    const auto f = pool.submit([&] { go.wait(); });
    auto closes = spawn([&] { pool.close(); });
    yield();
    closes.kill();
    CHECK(closes.done());
    CHECK_FALSE(f.done());
    CHECK(errc_of([&] { pool.submit([] {}); }) == errc::closed);
    go.set();
    CHECK(pool.close());
    f.wait();
}

TEST_CASE_FIXTURE(clean_end_of_threads, "it is used in order or not at all") {
    CHECK(errc_of([] { const fiber_pool none(0); }) == errc::bad_argument);
    fiber_pool pool(1);
    CHECK(errc_of([&] { pool.submit([] {}); }) == errc::not_startable);
    pool.start();
    CHECK(errc_of([&] { pool.start(); }) == errc::not_startable);
    CHECK(errc_of([&] { pool.submit(std::function<void()>()); }) == errc::bad_argument);
    const auto itself = pool.submit([&] { return errc_of([&] { pool.close(); }); });
    CHECK(itself.wait() == errc::bad_argument);
    CHECK(pool.close());
    CHECK(errc_of([&] { pool.start(); }) == errc::closed);
    CHECK(errc_of([&] { pool.submit([] {}); }) == errc::closed);

    fiber_pool idle;
    CHECK(idle.close());
    CHECK(errc_of([&] { idle.start(); }) == errc::closed);
}

TEST_CASE_FIXTURE(clean_end_of_threads, "tasks may submit tasks") {
    fiber_pool pool(1);
    pool.start();
    const auto outer = pool.submit([&] { return pool.submit([] { return 9; }); });
    CHECK(outer.wait().wait() == 9);
    CHECK(pool.close());
}

TEST_CASE_FIXTURE(clean_end_of_threads,
                  "a call that blocks leaves the pool to others") {
    fiber_pool pool(2);
    pool.start();
    std::latch go(1);
    std::thread::id blocked, served;
    const auto call = pool.submit_blocking(
        [&](int n) {
            blocked = std::this_thread::get_id();
            go.wait();
            return n + 1;
        },
        4);
    pool.submit([&] {
        served = std::this_thread::get_id();
        go.count_down();
    });
    CHECK(call.wait() == 5);
    CHECK(blocked != served);
    const auto bad = pool.submit_blocking([] { throw std::runtime_error("bad"); });
    CHECK_THROWS_WITH_AS(bad.wait(), "bad", std::runtime_error);
    CHECK(errc_of([&] { pool.submit_blocking(std::function<void()>()); }) ==
          errc::bad_argument);
    CHECK(pool.close());
}

TEST_CASE_FIXTURE(clean_end_of_threads, "a task that stops the hub ends the pool") {
    fiber_pool pool;
    pool.start();
    const auto waits = pool.submit([] { tendril::sleep(forever); });
    pool.submit([] { hub::current().stop(); });
    waits.join();
    CHECK_THROWS_AS(waits.wait(), greenlet_exit);
    CHECK_FALSE(pool.close());
}

// What such a fiber holds is lost with it, as LeakSanitizer would say.
TEST_CASE_FIXTURE(clean_end_of_threads,
                  "a fiber that will not die keeps no pool from its end" *
                      doctest::skip(test::sanitized)) {
    fiber_pool pool;
    pool.start();
    static test::hasty time;
    pool.submit([] { hub_internals::set_time_source(hub::current(), &time); }).wait();
    flag begun;
    const auto immortal = pool.submit([&] {
        begun.set();
        for (;;) {
            try {
                tendril::sleep(forever);
            } catch (const greenlet_exit&) {
                // Whatever.
            }
        }
    });
    begun.wait();
    pool.submit([] { hub::current().stop(); });
    CHECK_FALSE(pool.close());
    CHECK(errc_of([&] { immortal.wait(); }) == errc::thread_exited);
    CHECK(reported.size() == 1);
    reported.clear();
}

TEST_CASE_FIXTURE(clean_end_of_threads, "close in a hub callback closes nothing") {
    fiber_pool pool;
    pool.start();
    std::optional<errc> refused;
    hub::current().call_soon([&] { refused = errc_of([&] { pool.close(); }); });
    yield();
    CHECK(refused == errc::in_hub);
    CHECK(pool.submit([] { return 1; }).wait() == 1);
    CHECK(pool.close());
}

TEST_CASE_FIXTURE(clean_end_of_threads, "several threads submit until it is closed") {
    fiber_pool pool(4);
    pool.start();
    long ran = 0;
    std::atomic<long> taken{0};
    {
        std::vector<std::jthread> threads;
        for (int t = 0; t < 3; ++t) {
            threads.emplace_back([&] {
                try {
                    for (int i = 0; i < 1000; ++i) {
                        pool.submit([&] { ++ran; });
                        ++taken;
                    }
                } catch (const fiber_error& e) {
                    if (e.code() != errc::closed) throw;
                }
            });
        }
        pool.submit([] { yield(); }).wait();
        CHECK(pool.close());
    }
    CHECK(ran == taken);
}

TEST_SUITE_END();
