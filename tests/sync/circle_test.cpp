// circle_test.cpp - fibers that would wait for each other: the one that closes the
// circle is told, and the others go on.
//
// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/cancel.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>
#include <tendril/runtime/timeout.hpp>
#include <tendril/sync/mutex.hpp>
#include <tendril/test/virtual_time.hpp>

#include <atomic>
#include <chrono>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "../support/clean_end.hpp"
#include "../support/errc_of.hpp"
#include "../support/other_thread.hpp"
#include <doctest/doctest.h>

using namespace std::chrono_literals;
using namespace tendril;
using test::clean_end;
using test::clean_end_of_threads;
using test::errc_of;
using test::virtual_time;

TEST_SUITE_BEGIN("sync/circles");

TEST_CASE_FIXTURE(clean_end, "two mutexes in two orders") {
    mutex a, b;
    std::string told;
    auto first = spawn({.name = "first"}, [&] {
        const std::lock_guard has_a(a);
        yield();
        const std::lock_guard has_b(b);
    });
    auto second = spawn({.name = "second"}, [&] {
        const std::lock_guard has_b(b);
        yield();
        try {
            const std::lock_guard has_a(a);
        } catch (const fiber_error& e) {
            CHECK(e.code() == errc::deadlock);
            told = e.what();
        }
    });
    second.wait();
    first.wait();
    CHECK(told.find("'second'") < told.find(" would wait for mutex of fiber"));
    CHECK(told.find("'first'") != std::string::npos);
}

TEST_CASE_FIXTURE(clean_end, "joins, alone and with mutexes between") {
    fiber<std::optional<errc>> a, b, c;
    a = spawn([&] { return errc_of([&] { b.join(); }); });
    b = spawn([&] { return errc_of([&] { c.join(); }); });
    c = spawn([&] { return errc_of([&] { a.join(); }); });
    CHECK(c.wait() == errc::deadlock);
    CHECK_FALSE(b.wait());
    CHECK_FALSE(a.wait());

    mutex m;
    m.lock();
    auto waits = spawn([&] { m.lock(), m.unlock(); });
    yield();
    CHECK(errc_of([&] { waits.wait(); }) == errc::deadlock);
    m.unlock();
    waits.wait();
}

TEST_CASE_FIXTURE(clean_end, "a wait that time ends closes no circle") {
    virtual_time time;
    mutex m;
    m.lock();
    auto holds_on = [&](auto wait) {
        auto waits = spawn([&] { return m.lock(), m.unlock(), 1; });
        yield();
        wait(waits);
        m.unlock();
        waits.wait();
        m.lock();
    };
    holds_on([](auto& f) { CHECK_FALSE(f.join(hub::current().now() + 1s)); });
    holds_on([](auto& f) { CHECK_FALSE(timeout::silent(1s, [&] { f.wait(); })); });
    holds_on([](auto& f) { CHECK_FALSE(move_on_after(1s, [&] { f.wait(); })); });
    CHECK(time.passed() == 3s);

    // Nor when it is the other's.
    auto patient = spawn([&] { return m.try_lock_for(1s); });
    yield();
    CHECK_FALSE(patient.wait());
    m.unlock();
}

TEST_CASE_FIXTURE(clean_end, "a mutex that an ended fiber has kept is no circle") {
    virtual_time time;
    mutex m;
    spawn([&] { m.lock(); }).wait();
    CHECK_FALSE(move_on_after(1s, [&] { m.lock(); }));
    auto other = spawn([&] { m.lock(); });
    yield();
    other.kill();
}

TEST_CASE_FIXTURE(clean_end_of_threads,
                  "a hand-over on its way from another thread is none") {
    mutex m;
    std::atomic<bool> held{false};
    std::thread other([&] {
        const std::lock_guard has_it(m);
        held = true;
        held.wait(true);
    });
    while (!held) std::this_thread::yield();
    auto owner = spawn([&] { m.lock(), yield(), m.unlock(); });
    yield();
    // The hub gets no turn to read the letter in which it says so.
    held = false;
    held.notify_one();
    other.join();
    m.lock();
    m.unlock();
    owner.wait();
}

TEST_SUITE_END();
