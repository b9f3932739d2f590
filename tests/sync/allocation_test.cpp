// allocation_test.cpp - once warm, nothing in sync allocates, but for event::send.
//
// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/fiber.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>
#include <tendril/sync/condition_variable.hpp>
#include <tendril/sync/event.hpp>
#include <tendril/sync/mutex.hpp>
#include <tendril/sync/pool.hpp>
#include <tendril/sync/queue.hpp>
#include <tendril/sync/resource_pool.hpp>
#include <tendril/sync/semaphore.hpp>

#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <mutex>
#include <new>

#include "../support/allocations.hpp"
#include "../support/hub_threads.hpp"
#include "../support/other_thread.hpp"
#include <doctest/doctest.h>

using namespace std::chrono_literals;
using namespace tendril;
using test::allocations;
using test::clean_end;
using test::clean_end_of_threads;

namespace {

constexpr int cycles = test::repetitions(1'000'000);

// Allocations of `cycles` cycles, after as many as it takes to be warm.
template <class F>
std::size_t allocations_of(F run) {
    run(2000);
    const std::size_t before = allocations();
    run(cycles);
    return allocations() - before;
}

// The same, of two fibers that do their parts in turn.
template <class F, class G>
std::size_t allocations_of(F one, G other) {
    return allocations_of([&](int n) {
        auto f = spawn([&, n] {
            for (int i = 0; i < n; ++i) one();
        });
        auto g = spawn([&, n] {
            for (int i = 0; i < n; ++i) other();
        });
        f.wait();
        g.wait();
    });
}

std::size_t allocations_of_queue(std::size_t capacity) {
    queue<int> q(capacity);
    return allocations_of([&] { q.put(1); }, [&] { q.get(); });
}

}  // namespace

TEST_SUITE_BEGIN("sync allocations");

TEST_CASE_FIXTURE(clean_end, "allocations are counted") {
    const std::size_t before = allocations();
    ::operator delete(::operator new(64));
    void* volatile kept = std::malloc(64);
    std::free(kept);
    CHECK(allocations() == before + 2);
}

TEST_CASE_FIXTURE(clean_end, "a mutex that goes from hand to hand allocates nothing") {
    mutex m;
    const auto use = [&] {
        const std::lock_guard held(m);
        yield();
    };
    CHECK(allocations_of(use, use) == 0);
    const auto in_time = [&] {
        const std::unique_lock held(m, 1h);
        yield();
    };
    CHECK(allocations_of(in_time, in_time) == 0);
}

TEST_CASE_FIXTURE(clean_end, "a semaphore allocates nothing") {
    semaphore s(0);
    CHECK(allocations_of([&] { s.acquire(); }, [&] { s.release(); }) == 0);
    semaphore ping(0), pong(0);
    const auto serve = [&] {
        ping.release();
        pong.acquire();
    };
    const auto answer = [&] {
        if (ping.try_acquire_for(1h)) pong.release();
    };
    CHECK(allocations_of(serve, answer) == 0);
}

TEST_CASE_FIXTURE(clean_end, "a condition_variable allocates nothing") {
    mutex m;
    tendril::condition_variable changed;
    int turn = 0;
    const auto take_turn = [&](int me) {
        std::unique_lock held(m);
        changed.wait(held, [&] { return turn == me; });
        turn = 1 - me;
        changed.notify_one();
    };
    CHECK(allocations_of([&] { take_turn(0); }, [&] { take_turn(1); }) == 0);
}

TEST_CASE_FIXTURE(clean_end, "an event allocates once a send") {
    event<int> e;
    CHECK(allocations_of([&](int n) {
              for (int i = 0; i < n; ++i) {
                  e.send(i);
                  e.wait();
                  e.reset();
              }
          }) == cycles);
}

TEST_CASE_FIXTURE(clean_end, "a queue of any capacity allocates nothing") {
    CHECK(allocations_of_queue(0) == 0);
    CHECK(allocations_of_queue(1) == 0);
    CHECK(allocations_of_queue(64) == 0);
    queue<int> all;
    CHECK(allocations_of([&](int n) {
              for (int i = 0; i < n; i += 100) {
                  for (int k = 0; k < 100; ++k) all.put(1);
                  for (int k = 0; k < 100; ++k) all.get();
              }
          }) == 0);
}

TEST_CASE_FIXTURE(clean_end, "waits with a deadline allocate nothing in a queue") {
    queue<int> q(1);
    CHECK(allocations_of([&] { q.put_for(1, 1h); }, [&] { q.get_for(1h); }) == 0);
}

TEST_CASE_FIXTURE(clean_end, "a pool's members and waits for a slot allocate nothing") {
    pool p(1);
    CHECK(allocations_of([&] { p.spawn([] {}).wait(); }, [&] { p.spawn_n(yield); }) ==
          0);
    p.wait_all();
}

TEST_CASE_FIXTURE(clean_end, "a resource_pool allocates nothing once all are made") {
    resource_pool<int> p([] { return 1; }, {.max = 1});
    const auto use = [&] {
        const auto mine = p.get();
        yield();
    };
    CHECK(allocations_of(use, use) == 0);
}

TEST_CASE_FIXTURE(clean_end_of_threads, "hand-overs between threads allocate nothing") {
    queue<int> there(1), back(0);
    // Its room, which it may not need while its thread is quick.
    there.put(0);
    there.get();
    std::size_t allocated = 1;
    test::on_threads(2, [&](int thread) {
        constexpr int n = test::repetitions(20'000);
        if (thread == 0) {
            for (int i = 0; i < n; ++i) back.put(there.get());
        } else {
            const auto around = [&](int times) {
                for (int i = 0; i < times; ++i) {
                    there.put(int{i});
                    back.get();
                }
            };
            around(n / 10);
            const std::size_t before = allocations();
            around(n / 2);
            allocated = allocations() - before;
            around(n - n / 10 - n / 2);
        }
    });
    CHECK(allocated == 0);
}
