// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/error.hpp>
#include <tendril/runtime/fiber.hpp>
#include <tendril/runtime/hub.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>
#include <tendril/sync/event.hpp>
#include <tendril/sync/thread_pool.hpp>

#include <atomic>
#include <chrono>
#include <latch>
#include <memory>
#include <optional>
#include <utility>

#include "../support/at_end.hpp"
#include "../support/errc_of.hpp"
#include "../support/other_thread.hpp"
#include <doctest/doctest.h>

using namespace std::chrono_literals;
using namespace tendril;
using test::at_end;
using test::clean_end_of_threads;
using test::errc_of;

TEST_SUITE_BEGIN("sync/thread_pool close");

namespace {

// Counts down when the calling thread ends. (ThreadSanitizer does not follow
// std::promise::set_value_at_thread_exit.)
void count_down_at_thread_exit(const std::shared_ptr<std::latch>& ended) {
    struct ending {
        explicit ending(std::shared_ptr<std::latch> e) : ended(std::move(e)) {}

        ending(const ending&) = delete;
        ending& operator=(const ending&) = delete;

        ~ending() { ended->count_down(); }

        std::shared_ptr<std::latch> ended;
    };

    static thread_local std::optional<ending> this_thread;
    this_thread.emplace(ended);
}

// What a stuck call needs, shared with it: it may outlive the test's frame.
struct gate {
    std::latch begun{1};
    std::latch open{1};
    std::shared_ptr<std::latch> ended = std::make_shared<std::latch>(1);

    void pass() {
        begun.count_down();
        open.wait();
        count_down_at_thread_exit(ended);
    }
};

}  // namespace

TEST_CASE_FIXTURE(clean_end_of_threads,
                  "close waits for what runs and for what is queued") {
    thread_pool pool({.threads = 1});
    std::latch open(1);
    std::atomic<int> done{0};
    const auto running = pool.submit([&] { open.wait(), ++done; });
    const auto queued = pool.submit([&] { return ++done; });
    bool closed = false;
    auto closer = spawn([&] { closed = pool.close(); });
    yield();
    CHECK_FALSE(closer.done());
    CHECK(errc_of([&] { pool.submit([] {}); }) == errc::closed);
    CHECK(errc_of([&] { pool.try_submit([] {}); }) == errc::closed);
    open.count_down();
    closer.wait();
    CHECK(closed);
    CHECK(queued.done());
    CHECK(queued.wait() == 2);
    CHECK(pool.threads() == 0);
    CHECK(pool.close());
    CHECK(errc_of([&] { pool.submit([] {}); }) == errc::closed);
}

TEST_CASE_FIXTURE(clean_end_of_threads,
                  "close may drop what is queued and who waits for it is told") {
    thread_pool pool({.threads = 1, .at_close = queued_work::drop});
    std::latch open(1);
    bool ran = false;
    const auto running = pool.submit([&] {
        open.wait();
        return 1;
    });
    const auto queued = pool.submit([&] { ran = true; });
    auto waiter = spawn([&] { return errc_of([&] { queued.wait(); }); });
    auto closer = spawn([&] { pool.close(); });
    yield();
    CHECK(queued.done());
    open.count_down();
    closer.wait();
    CHECK(waiter.wait() == errc::abandoned);
    CHECK(running.wait() == 1);
    CHECK_FALSE(ran);
}

TEST_CASE_FIXTURE(clean_end_of_threads,
                  "those who wait for room are refused when the pool closes") {
    thread_pool pool({.threads = 1, .queue = 0});
    std::latch open(1);
    const auto running = pool.submit([&] { open.wait(); });
    auto waiter = spawn([&] { return errc_of([&] { pool.submit([] {}); }); });
    yield();
    auto closer = spawn([&] { pool.close(); });
    yield();
    open.count_down();
    CHECK(waiter.wait() == errc::closed);
    closer.wait();
}

TEST_CASE_FIXTURE(clean_end_of_threads,
                  "after its deadline the pool may go and its threads end alone") {
    const auto stuck = std::make_shared<gate>();
    const auto ended = stuck->ended;
    future<int> running;
    future<> queued;
    {
        thread_pool pool({.threads = 1});
        running = pool.submit([stuck] {
            stuck->pass();
            return 1;
        });
        stuck->begun.wait();
        queued = pool.submit([] {});
        auto waiter = spawn([&] { return errc_of([&] { running.wait(); }); });
        CHECK_FALSE(pool.close_for(5ms));
        CHECK(waiter.wait() == errc::abandoned);
        CHECK_FALSE(pool.close());
    }
    CHECK(errc_of([&] { running.wait(); }) == errc::abandoned);
    CHECK(errc_of([&] { queued.wait(); }) == errc::abandoned);
    stuck->open.count_down();
    ended->wait();
    CHECK(errc_of([&] { running.wait(); }) == errc::abandoned);
}

TEST_CASE_FIXTURE(clean_end_of_threads,
                  "a deadline that passes ends all waits for the pool's end") {
    const auto stuck = std::make_shared<gate>();
    const auto ended = stuck->ended;
    thread_pool pool({.threads = 1});
    const auto running = pool.submit([stuck] { stuck->pass(); });
    auto patient = spawn([&] { return pool.close(); });
    yield();
    CHECK_FALSE(pool.close_for(5ms));
    CHECK_FALSE(patient.wait());
    CHECK(errc_of([&] { running.wait(); }) == errc::abandoned);
    stuck->open.count_down();
    ended->wait();
}

TEST_CASE_FIXTURE(clean_end_of_threads, "a pool's end is not cut short by a kill") {
    std::latch open(1);
    std::atomic<bool> done{false};
    auto owner = spawn([&] {
        thread_pool pool({.threads = 1});
        pool.submit([&] { open.wait(), done = true; });
    });
    yield();
    CHECK_FALSE(owner.done());
    owner.kill();
    CHECK_FALSE(owner.done());
    open.count_down();
    owner.join();
    CHECK(done);
}

TEST_CASE_FIXTURE(clean_end_of_threads,
                  "a killed close leaves the pool closed and is made good later") {
    thread_pool pool({.threads = 1});
    std::latch open(1);
    const auto running = pool.submit([&] { open.wait(); });
    auto first = spawn([&] { pool.close(); });
    auto second = spawn([&] { return pool.close(); });
    yield();
    first.kill();
    CHECK(first.done());
    CHECK(errc_of([&] { pool.submit([] {}); }) == errc::closed);
    open.count_down();
    CHECK(second.wait());
    CHECK(running.done());
}

TEST_CASE_FIXTURE(clean_end_of_threads,
                  "work cannot wait for the end of its own pool") {
    thread_pool pool({.threads = 1});
    const auto f = pool.submit([&] { return errc_of([&] { pool.close(); }); });
    CHECK(f.wait() == errc::deadlock);
}

TEST_CASE_FIXTURE(clean_end_of_threads, "work may destroy its own pool") {
    auto pool = std::make_unique<thread_pool>(thread_pool_options{.threads = 1});
    const auto ended = std::make_shared<std::latch>(1);
    std::latch moved(1);
    thread_pool& at = *pool;
    const auto f = at.submit([&] {
        moved.wait();
        pool = nullptr;
        count_down_at_thread_exit(ended);
    });
    moved.count_down();
    CHECK(errc_of([&] { f.wait(); }) == errc::abandoned);
    ended->wait();
    CHECK(pool == nullptr);
}

TEST_CASE_FIXTURE(clean_end_of_threads, "a hub callback may destroy a pool") {
    auto pool = std::make_unique<thread_pool>(thread_pool_options{.threads = 1});
    std::atomic<int> done{0};
    pool->submit([&] { ++done; });
    pool->submit([&] { ++done; });
    event<> gone;
    hub::current().call_soon([&] {
        pool = nullptr;
        gone.send();
    });
    gone.wait();
    CHECK(done == 2);
}

TEST_CASE_FIXTURE(clean_end_of_threads,
                  "fibers that work has left behind are killed at the end") {
    std::atomic<bool> killed{false};
    std::latch begun(1);
    {
        thread_pool pool({.threads = 1});
        pool.submit([&] {
            spawn([&] {
                const at_end note{[&] { killed = true; }};
                begun.count_down();
                tendril::sleep(forever);
            });
        });
        begun.wait();
    }
    CHECK(killed);
}

TEST_CASE_FIXTURE(clean_end_of_threads, "close in a hub callback closes nothing") {
    thread_pool pool({.threads = 1});
    std::optional<errc> refused;
    hub::current().call_soon([&] { refused = errc_of([&] { pool.close(); }); });
    yield();
    CHECK(refused == errc::in_hub);
    CHECK(pool.submit([] { return 1; }).wait() == 1);
}

TEST_SUITE_END();
