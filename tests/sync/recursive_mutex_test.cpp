// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/fiber.hpp>
#include <tendril/runtime/hub.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>
#include <tendril/sync/recursive_mutex.hpp>
#include <tendril/test/virtual_time.hpp>

#include <chrono>
#include <mutex>
#include <optional>
#include <string>

#include "../support/clean_end.hpp"
#include "../support/errc_of.hpp"
#include <doctest/doctest.h>

using namespace std::chrono_literals;
using namespace tendril;
using test::clean_end;
using test::errc_of;
using test::virtual_time;

TEST_SUITE_BEGIN("sync/recursive_mutex");

TEST_CASE_FIXTURE(clean_end, "its owner locks it again, others after as many unlocks") {
    recursive_mutex m;
    std::string order;
    fiber<> other;
    {
        const std::lock_guard outer(m);
        {
            const std::lock_guard inner(m);
            CHECK(m.try_lock());
            m.unlock();
            other = spawn([&] {
                const std::lock_guard held(m);
                order += 'o';
            });
            yield();
        }
        yield();
        order += 'm';
    }
    other.wait();
    CHECK(order == "mo");
}

TEST_CASE_FIXTURE(clean_end,
                  "unlock by another than the owner, or once too often, is an error") {
    recursive_mutex m;
    CHECK(errc_of([&] { m.unlock(); }) == errc::not_owner);
    m.lock();
    m.lock();
    auto other = spawn([&] { return errc_of([&] { m.unlock(); }); });
    CHECK(other.wait() == errc::not_owner);
    m.unlock();
    m.unlock();
    CHECK(errc_of([&] { m.unlock(); }) == errc::not_owner);
    auto again = spawn([&] {
        if (!m.try_lock()) return false;
        m.unlock();
        return true;
    });
    CHECK(again.wait());
}

TEST_CASE_FIXTURE(clean_end,
                  "a try gives up on time, and a killed waiter leaves the line") {
    virtual_time time;
    recursive_mutex m;
    m.lock();
    auto other = spawn([&] {
        const duration begin = time.passed();
        const bool had = m.try_lock_for(1s);
        return !had && !m.try_lock() && time.passed() - begin == 1s;
    });
    CHECK(other.wait());
    auto killed = spawn([&] { m.lock(); });
    yield();
    killed.kill();
    m.unlock();
    const std::scoped_lock held(m);
}

TEST_SUITE_END();
