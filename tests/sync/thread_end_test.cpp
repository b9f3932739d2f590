// thread_end_test.cpp - threads that end while their fibers wait for something.
//
// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/fiber.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>
#include <tendril/sync/condition_variable.hpp>
#include <tendril/sync/event.hpp>
#include <tendril/sync/mutex.hpp>
#include <tendril/sync/queue.hpp>
#include <tendril/sync/semaphore.hpp>

#include <latch>
#include <mutex>
#include <string>
#include <thread>

#include "../support/hasty_time.hpp"
#include "../support/hub_threads.hpp"
#include "../support/other_thread.hpp"
#include <doctest/doctest.h>

using namespace tendril;
using test::clean_end_of_threads;

namespace {

// One of each kind, and fibers that wait for all of them.
struct things {
    mutex m;
    semaphore s{0};
    event<> e;
    queue<int> q{1};
    queue<int> full{0};
    mutex cv_mutex;
    tendril::condition_variable changed;
    std::string log;

    void spawn_waiting() {
        spawn([this] {
            const std::lock_guard held(m);
            log += "mutex ";
            yield();
        });
        spawn([this] {
            struct back {
                semaphore& s;

                ~back() { s.release(); }
            };
            s.acquire();
            const back at_end{s};
            log += "semaphore ";
            yield();
        });
        spawn([this] { e.wait(); });
        spawn([this] {
            log += "got" + std::to_string(q.get()) + " ";
            yield();
        });
        spawn([this] {
            full.put(2);
            log += "put ";
            yield();
        });
        spawn([this] {
            std::unique_lock held(cv_mutex);
            changed.wait(held);
            log += held.owns_lock() ? "notified " : "";
            yield();
        });
        yield();
    }

    bool locks_are_free() {
        for (mutex* one : {&m, &cv_mutex}) {
            if (!one->try_lock()) return false;
            one->unlock();
        }
        return true;
    }
};

}  // namespace

TEST_SUITE_BEGIN("sync at the end of a thread");

TEST_CASE_FIXTURE(clean_end_of_threads,
                  "a thread that ends takes its fibers out of line") {
    things shared;
    shared.m.lock();
    std::thread([&] {
        shared.spawn_waiting();
        CHECK(shared.s.balance() == -1);
    }).join();
    CHECK(shared.s.balance() == 0);
    CHECK(shared.q.getting_count() == 0);
    CHECK(shared.full.putting_count() == 0);
    shared.m.unlock();
    CHECK(shared.locks_are_free());
    shared.e.send();
    shared.changed.notify_all();
    CHECK(shared.q.try_put(1));
    CHECK(shared.q.size() == 1);
    CHECK(!shared.full.try_get());
    CHECK(shared.log.empty());
}

// What is on its way when the thread begins to end arrives, and is given back.
TEST_CASE_FIXTURE(clean_end_of_threads,
                  "what a fiber was given as its thread ends is not lost") {
    things shared;
    shared.m.lock();
    std::latch waiting(1), given(1);
    std::thread other([&] {
        shared.spawn_waiting();
        waiting.count_down();
        given.wait();
    });
    waiting.wait();
    shared.m.unlock();
    shared.s.release();
    shared.e.send();
    CHECK(shared.q.try_put(1));
    CHECK(shared.full.try_get() == 2);
    shared.changed.notify_one();
    given.count_down();
    other.join();
    CHECK(shared.log == "mutex semaphore got1 put notified ");
    CHECK(shared.locks_are_free());
    CHECK(shared.s.balance() == 1);
    CHECK(shared.q.empty());
}

// What such a fiber holds is lost with it, as LeakSanitizer would say.
TEST_CASE_FIXTURE(clean_end_of_threads,
                  "a fiber that has been given up is handed no mutex" *
                      doctest::skip(test::sanitized)) {
    mutex m;
    tendril::condition_variable changed;
    std::latch waiting(1), locked(1);
    std::thread other([&] {
        static test::hasty time;
        hub_internals::set_time_source(hub::current(), &time);
        spawn([&] {
            std::unique_lock held(m);
            changed.wait(held);
        });
        yield();
        waiting.count_down();
        locked.wait();
    });
    waiting.wait();
    m.lock();
    locked.count_down();
    // Killed, it first waits for the mutex again, which nothing cuts short.
    other.join();
    m.unlock();
    CHECK(m.try_lock());
    m.unlock();
    CHECK(reported.size() == 1);
    reported.clear();
}
