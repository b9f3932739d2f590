// lock_check_test.cpp - who waits with a std::mutex held is named, and nobody else.
//
// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/lock_check.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>
#include <tendril/sync/queue.hpp>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <thread>
#include <vector>

#include "../support/clean_end.hpp"
#include "../support/native_mutex.hpp"
#include <doctest/doctest.h>
#include <pthread.h>

using namespace std::chrono_literals;
using namespace tendril;
using test::clean_end;
using test::native_mutex;
using test::only;

TEST_SUITE_BEGIN("runtime/lock_check");

namespace {

std::string address_of(const void* p) {
    std::array<char, 32> text{};
    std::snprintf(text.data(), text.size(), "%p", p);
    return text.data();
}

void check_sentence(const std::string& text, const char* what, const void* lock) {
    CAPTURE(text);
    CHECK(text.find("'culprit' (made at ") != std::string::npos);
    CHECK(text.find(std::string("goes to wait for ") + what + " and keeps the ") !=
          std::string::npos);
    CHECK(text.find(address_of(lock) + ", locked at ") != std::string::npos);
}

}  // namespace

// Its name is in the report, whatever is inlined into it.
[[gnu::noinline]] void lock_by_name(test::native_mutex& m) {
    m.lock();
    asm volatile("");
}

TEST_CASE_FIXTURE(clean_end,
                  "a mutex held in a sleep is told of once, by all its names") {
    const lock_check on;
    native_mutex m;
    TENDRIL_TEST_CULPRIT([&] {
        lock_by_name(m);
        for (int i = 0; i < 3; ++i) sleep(1ns);
        m.unlock();
    });
    const std::string text = only(reported);
    check_sentence(text, "sleep", &m.native);
    CHECK(text.find("lock_by_name") != std::string::npos);
}

TEST_CASE_FIXTURE(clean_end, "a std::mutex held across a yield is told of") {
    const lock_check on;
    std::mutex m;
    TENDRIL_TEST_CULPRIT([&] {
        const std::lock_guard hold(m);
        yield();
    });
    check_sentence(only(reported), "its next turn", &m);
}

TEST_CASE_FIXTURE(clean_end, "a std::mutex held in a queue's get is told of") {
    const lock_check on;
    std::mutex m;
    queue<int> q(1);
    auto getter = spawn({.name = "culprit"}, [&] {
        const std::lock_guard hold(m);
        CHECK(q.get() == 1);
    });
    yield();
    q.put(1);
    getter.wait();
    check_sentence(only(reported), "queue::get", &m);
}

TEST_CASE_FIXTURE(clean_end,
                  "the same place is told of again for fibers made elsewhere") {
    const lock_check on;
    std::mutex m;
    const auto body = [&] {
        const std::lock_guard hold(m);
        yield();
    };
    for (int i = 0; i < 3; ++i) TENDRIL_TEST_CULPRIT(body);
    only(reported);
    TENDRIL_TEST_CULPRIT(body);
    only(reported);
}

TEST_CASE_FIXTURE(clean_end, "what is unlocked before the wait is not told of") {
    const lock_check on;
    std::mutex m;
    std::timed_mutex timed;
    std::shared_mutex shared;
    pthread_spinlock_t spin;
    pthread_spin_init(&spin, 0);
    TENDRIL_TEST_CULPRIT([&] {
        for (int i = 0; i < 100; ++i) {
            { const std::lock_guard hold(m); }
            REQUIRE(timed.try_lock_for(1s));
            timed.unlock();
            { const std::shared_lock hold(shared); }
            { const std::lock_guard hold(shared); }
            pthread_spin_lock(&spin);
            pthread_spin_unlock(&spin);
            yield();
        }
    });
    CHECK(reported.empty());
}

TEST_CASE_FIXTURE(clean_end,
                  "read, write, spin and timed locks are told of by their kinds") {
    const lock_check on;
    std::timed_mutex timed;
    std::shared_mutex shared;
    pthread_spinlock_t spin;
    pthread_spin_init(&spin, 0);
    TENDRIL_TEST_CULPRIT([&] {
        const std::unique_lock hold(timed, 1s);
        yield();
    });
    CHECK(only(reported).find("the mutex ") != std::string::npos);
    TENDRIL_TEST_CULPRIT([&] {
        const std::shared_lock hold(shared);
        yield();
    });
    CHECK(only(reported).find("the read lock ") != std::string::npos);
    TENDRIL_TEST_CULPRIT([&] {
        const std::lock_guard hold(shared);
        yield();
    });
    CHECK(only(reported).find("the write lock ") != std::string::npos);
    TENDRIL_TEST_CULPRIT([&] {
        pthread_spin_lock(&spin);
        yield();
        pthread_spin_unlock(&spin);
    });
    CHECK(only(reported).find("the spin lock ") != std::string::npos);
}

TEST_CASE_FIXTURE(clean_end,
                  "a recursive mutex is held until it is unlocked as often") {
    const lock_check on;
    native_mutex m(PTHREAD_MUTEX_RECURSIVE);
    TENDRIL_TEST_CULPRIT([&] {
        m.lock();
        m.lock();
        m.unlock();
        yield();
        m.unlock();
        const std::size_t told = reported.size();
        CHECK(told == 1);
        yield();
        CHECK(reported.size() == told);
    });
    check_sentence(only(reported), "its next turn", &m.native);
}

TEST_CASE_FIXTURE(clean_end, "a trylock that fails holds nothing") {
    const lock_check on;
    native_mutex m;
    std::thread([&] { m.lock(); }).join();
    TENDRIL_TEST_CULPRIT([&] {
        REQUIRE(m.try_lock() == EBUSY);
        yield();
    });
    CHECK(reported.empty());
    m.unlock();
}

TEST_CASE_FIXTURE(clean_end, "of two mutexes the one still held is told of") {
    const lock_check on;
    std::mutex first, second;
    TENDRIL_TEST_CULPRIT([&] {
        first.lock();
        second.lock();
        first.unlock();
        yield();
        second.unlock();
    });
    check_sentence(only(reported), "its next turn", &second);
}

TEST_CASE_FIXTURE(clean_end, "of two mutexes held both are told of") {
    const lock_check on;
    std::mutex first, second;
    TENDRIL_TEST_CULPRIT([&] {
        const std::lock_guard a(first);
        const std::lock_guard b(second);
        yield();
    });
    REQUIRE(reported.size() == 2);
    CHECK(reported[0].find(address_of(&first)) != std::string::npos);
    CHECK(reported[1].find(address_of(&second)) != std::string::npos);
    reported.clear();
}

TEST_SUITE_END();
