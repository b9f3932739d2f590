// lock_check_odd_test.cpp - locks that are given back by others, late, or never.
//
// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/hub.hpp>
#include <tendril/runtime/lock_check.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <mutex>
#include <thread>
#include <vector>

#include "../support/clean_end.hpp"
#include "../support/native_mutex.hpp"
#include "../support/other_thread.hpp"
#include <doctest/doctest.h>
#include <sys/time.h>

using namespace std::chrono_literals;
using namespace tendril;
using test::clean_end;
using test::clean_end_of_threads;
using test::native_mutex;
using test::only;

TEST_SUITE_BEGIN("runtime/lock_check");

TEST_CASE_FIXTURE(clean_end, "unlocked by another fiber it is held by nobody") {
    const lock_check on;
    native_mutex m;
    auto locker = spawn({.name = "culprit"}, [&] {
        m.lock();
        yield();
        only(reported);
        for (int i = 0; i < 3; ++i) yield();
    });
    auto unlocker = spawn([&] {
        m.unlock();
        yield();
    });
    locker.wait();
    unlocker.wait();
    CHECK(reported.empty());
    CHECK(m.try_lock() == 0);
    m.unlock();
}

TEST_CASE_FIXTURE(clean_end,
                  "a fiber that ends with a mutex leaves nothing to its successor") {
    const lock_check on;
    native_mutex m;
    TENDRIL_TEST_CULPRIT([&] { m.lock(); });
    TENDRIL_TEST_CULPRIT([] { yield(); });
    CHECK(reported.empty());
    m.unlock();
}

TEST_CASE_FIXTURE(clean_end,
                  "more mutexes than are noted are locked and unlocked all the same") {
    const lock_check on;
    std::vector<native_mutex> many(100);
    TENDRIL_TEST_CULPRIT([&] {
        for (auto& m : many) m.lock();
        for (auto& m : many) CHECK(m.try_lock() == EBUSY);
        for (auto& m : many) m.unlock();
        for (auto& m : many) CHECK(m.try_lock() == 0);
        for (auto& m : many) m.unlock();
        yield();
    });
    CHECK(reported.empty());
}

TEST_CASE_FIXTURE(clean_end, "a mutex held in a hub callback is nobody's") {
    const lock_check on;
    std::mutex m;
    int calls = 0;
    TENDRIL_TEST_CULPRIT([&] {
        hub::current().call_soon([&] {
            const std::lock_guard hold(m);
            ++calls;
        });
        hub::current().call_later(1ns, [&] {
            const std::lock_guard hold(m);
            ++calls;
        });
        sleep(1ms);
    });
    CHECK(calls == 2);
    CHECK(reported.empty());
}

TEST_CASE_FIXTURE(clean_end, "without a lock_check nothing is told") {
    std::mutex m;
    TENDRIL_TEST_CULPRIT([&] {
        const std::lock_guard hold(m);
        yield();
    });
    CHECK(reported.empty());
}

TEST_CASE_FIXTURE(clean_end,
                  "a mutex locked while a lock_check lived is forgotten without it") {
    std::mutex m;
    TENDRIL_TEST_CULPRIT([&] {
        {
            const lock_check on;
            m.lock();
        }
        yield();
        m.unlock();
        const lock_check on;
        yield();
    });
    CHECK(reported.empty());
}

TEST_CASE_FIXTURE(clean_end_of_threads, "other threads' locks are their own") {
    const lock_check on;
    std::mutex m;
    std::thread other([&] {
        hub::current();
        const std::lock_guard hold(m);
        spawn([] { yield(); }).wait();
    });
    other.join();
    TENDRIL_TEST_CULPRIT([] { yield(); });
    // The other thread's main fiber waited with it; nobody here did.
    CHECK(only(reported).find("main") != std::string::npos);
}

namespace {

// Before main, and before any hub.
struct locked_early {
    locked_early() : result(m.lock() + m.unlock()) {}

    native_mutex m;
    int result;
} const early;

}  // namespace

TEST_CASE_FIXTURE(clean_end, "who has no hub locks as if there were no lock_check") {
    const lock_check on;
    CHECK(early.result == 0);
    native_mutex m;
    int locked = -1, again = -1, unlocked = -1;
    std::thread([&] {
        locked = m.lock();
        again = m.try_lock();
        unlocked = m.unlock();
    }).join();
    CHECK(locked == 0);
    CHECK(again == EBUSY);
    CHECK(unlocked == 0);
    CHECK(m.try_lock() == 0);
    m.unlock();
}

namespace {

native_mutex of_handler;
std::atomic<int> handled{0};

void lock_in_handler(int) {
    of_handler.lock();
    of_handler.unlock();
    ++handled;
}

}  // namespace

TEST_CASE_FIXTURE(clean_end, "handlers that lock while a fiber locks disturb nothing") {
    const lock_check on;

    struct sigaction now {
    }, before{};

    now.sa_handler = lock_in_handler;
    sigaction(SIGPROF, &now, &before);
    const itimerval often{{0, 50}, {0, 50}}, never_more{};
    setitimer(ITIMER_PROF, &often, nullptr);
    std::mutex first, second;
    TENDRIL_TEST_CULPRIT([&] {
        while (handled < 50) {
            const std::scoped_lock hold(first, second);
        }
        yield();
    });
    setitimer(ITIMER_PROF, &never_more, nullptr);
    sigaction(SIGPROF, &before, nullptr);
    CHECK(reported.empty());
}

TEST_SUITE_END();
