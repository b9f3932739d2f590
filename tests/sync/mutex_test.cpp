// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/fiber.hpp>
#include <tendril/runtime/hub.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>
#include <tendril/runtime/timeout.hpp>
#include <tendril/sync/event.hpp>
#include <tendril/sync/mutex.hpp>
#include <tendril/test/virtual_time.hpp>

#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "../support/clean_end.hpp"
#include "../support/errc_of.hpp"
#include "../support/is_free.hpp"
#include "../support/other_thread.hpp"
#include <doctest/doctest.h>

using namespace std::chrono_literals;
using namespace tendril;
using test::clean_end;
using test::clean_end_of_threads;
using test::errc_of;
using test::is_free;
using test::virtual_time;

TEST_SUITE_BEGIN("sync/mutex");

TEST_CASE_FIXTURE(clean_end, "one fiber at a time, also across sleeps") {
    virtual_time time;
    mutex m;
    std::string order;
    const auto body = [&](char name) {
        const std::lock_guard held(m);
        order += name;
        tendril::sleep(1s);
        order += name;
    };
    auto a = spawn(body, 'a'), b = spawn(body, 'b'), c = spawn(body, 'c');
    c.wait();
    CHECK(order == "aabbcc");
    CHECK(time.passed() == 3s);
    CHECK(is_free(m));
}

TEST_CASE_FIXTURE(clean_end, "two workers on one mutex take strict turns") {
    mutex m;
    std::string order;
    const auto body = [&](char name) {
        for (int i = 0; i < 100; ++i) {
            const std::lock_guard held(m);
            order += name;
            yield();
        }
    };
    auto a = spawn(body, 'a'), b = spawn(body, 'b');
    a.wait();
    b.wait();
    std::string alternating;
    for (int i = 0; i < 100; ++i) alternating += "ab";
    CHECK(order == alternating);
}

TEST_CASE_FIXTURE(clean_end, "unlock hands over: nobody grabs it on the way") {
    mutex m;
    m.lock();
    bool had = false;
    auto next = spawn([&] {
        const std::lock_guard held(m);
        had = true;
    });
    yield();
    m.unlock();
    CHECK(!m.try_lock());
    CHECK(!had);
    m.lock();  // behind it in line
    CHECK(had);
    m.unlock();
}

TEST_CASE_FIXTURE(clean_end, "unlock by another than the owner is an error") {
    mutex m;
    CHECK(errc_of([&] { m.unlock(); }) == errc::not_owner);
    auto owner = spawn([&] {
        const std::lock_guard held(m);
        tendril::yield();
        tendril::yield();
    });
    yield();
    CHECK(errc_of([&] { m.unlock(); }) == errc::not_owner);
    CHECK(!m.try_lock());
    owner.wait();
    m.lock();
    m.unlock();
    CHECK(errc_of([&] { m.unlock(); }) == errc::not_owner);
}

TEST_CASE_FIXTURE(clean_end_of_threads,
                  "who unlocks what is not its own is told whose it is") {
    mutex m;
    const auto told = [&]() -> std::string {
        try {
            m.unlock();
        } catch (const fiber_error& e) {
            return e.what();
        }
        return "nothing";
    };
    CHECK(told().ends_with(" unlocks a mutex that nobody holds"));
    event<> enough;
    auto owner = spawn({.name = "anna"}, [&] {
        const std::lock_guard held(m);
        enough.wait();
    });
    yield();
    CHECK(told().find(" unlocks a mutex that fiber ") != std::string::npos);
    CHECK(told().find("'anna'") != std::string::npos);
    test::on_other_thread(
        [&] { CHECK(told().ends_with(" unlocks a mutex that somebody else holds")); });
    enough.send();
    owner.wait();
}

TEST_CASE_FIXTURE(clean_end, "after the hand-over the old owner is none any more") {
    mutex m;
    m.lock();
    auto next = spawn([&] { const std::lock_guard held(m); });
    yield();
    m.unlock();
    CHECK(errc_of([&] { m.unlock(); }) == errc::not_owner);
    next.wait();
    CHECK(is_free(m));
}

TEST_CASE_FIXTURE(clean_end, "locking it twice is an error that names the fiber") {
    mutex m;
    auto f = spawn({.name = "twice"}, [&] {
        const std::lock_guard held(m);
        CHECK(!m.try_lock());
        try {
            m.lock();
            FAIL("locked twice");
        } catch (const fiber_error& e) {
            CHECK(e.code() == errc::already_set);
            CHECK(std::string(e.what()).find("'twice'") != std::string::npos);
        }
        CHECK(errc_of([&] { m.try_lock_for(1s); }) == errc::already_set);
    });
    f.wait();
    CHECK(is_free(m));
}

TEST_CASE_FIXTURE(clean_end, "a fiber in the place of one that ended owns nothing") {
    mutex m;
    const auto place = [&](bool first) -> const void* {
        if (first) {
            m.lock();  // and forgets it
        } else {
            CHECK(errc_of([&] { m.unlock(); }) == errc::not_owner);
            CHECK_FALSE(m.try_lock());
        }
        return detail::this_scheduler->current;
    };
    const void* const taken = spawn(place, true).wait();
    CHECK(spawn(place, false).wait() == taken);
}

TEST_CASE_FIXTURE(clean_end, "the standard's guards work with it") {
    virtual_time time;
    mutex m;
    {
        std::unique_lock held(m, std::try_to_lock);
        CHECK(held.owns_lock());
        auto other = spawn([&] {
            std::unique_lock late(m, std::defer_lock);
            CHECK(!late.try_lock());
            CHECK(!late.try_lock_for(1s));
            CHECK(!late.try_lock_until(hub::current().now() + 1s));
        });
        other.wait();
        CHECK(time.passed() == 2s);
    }
    const std::unique_lock again(m, 1s);
    CHECK(again.owns_lock());
}

TEST_CASE_FIXTURE(clean_end, "try_lock_for gives up on time, no sooner") {
    virtual_time time;
    mutex m;
    m.lock();
    auto f = spawn([&] { return m.try_lock_for(250ms); });
    CHECK(!f.wait());
    CHECK(time.passed() == 250ms);
    auto g = spawn([&] { return m.try_lock_for(1s) && (m.unlock(), true); });
    tendril::sleep(1s - 1ns);
    m.unlock();
    CHECK(g.wait());
    CHECK(is_free(m));
}

TEST_CASE_FIXTURE(clean_end, "nothing is locked for a senseless duration") {
    mutex m;
    CHECK(errc_of([&] { m.try_lock_for(-1ns); }) == errc::bad_argument);
    CHECK(is_free(m));
}

TEST_CASE_FIXTURE(clean_end, "handed over at the very deadline, it is held") {
    virtual_time time;
    mutex m;
    auto& h = hub::current();
    // Callbacks in place of a fiber, since they run within the turn of their timer.
    h.call_soon([&] { CHECK(m.try_lock()); });
    h.call_later(1s, [&] { m.unlock(); });
    auto f = spawn([&] { return m.try_lock_for(1s) && (m.unlock(), true); });
    CHECK(f.wait());
    CHECK(time.passed() == 1s);
    CHECK(is_free(m));
}

TEST_CASE_FIXTURE(clean_end, "unlocked after the very deadline, it is free") {
    virtual_time time;
    mutex m;
    auto& h = hub::current();
    h.call_soon([&] { CHECK(m.try_lock()); });
    auto f = spawn([&] { return m.try_lock_for(1s); });
    yield();
    h.call_later(1s, [&] { m.unlock(); });
    CHECK(!f.wait());
    yield();
    CHECK(is_free(m));
}

TEST_CASE_FIXTURE(clean_end, "a hub callback may try it, and then unlocks it itself") {
    mutex m;
    auto& h = hub::current();
    std::optional<errc> twice, foreign, waits;
    std::string order;
    h.call_soon([&] {
        order += m.try_lock() ? "got " : "failed ";
        twice = errc_of([&] { m.lock(); });
    });
    auto f = spawn([&] {
        foreign = errc_of([&] { m.unlock(); });
        const std::lock_guard held(m);
        order += "fiber ";
        h.call_soon([&] {
            order += m.try_lock() ? "got " : "failed ";
            waits = errc_of([&] { m.lock(); });
        });
        yield();
    });
    yield();
    h.call_soon([&] { m.unlock(); });
    f.wait();
    CHECK(order == "got fiber failed ");
    CHECK(twice == errc::already_set);
    CHECK(foreign == errc::not_owner);
    CHECK(waits == errc::in_hub);
    CHECK(is_free(m));
}

TEST_CASE_FIXTURE(clean_end_of_threads,
                  "fibers of other threads do not own it either") {
    mutex m;
    const std::lock_guard held(m);
    std::optional<errc> got;
    bool tried = true;
    std::thread([&] {
        tried = m.try_lock();
        got = errc_of([&] { m.unlock(); });
    }).join();
    CHECK(!tried);
    CHECK(got == errc::not_owner);
}

TEST_CASE_FIXTURE(clean_end, "whoever has a mutex last may destroy it") {
    auto m = std::make_unique<mutex>();
    m->lock();
    auto f = spawn([&] {
        m->lock();
        m->unlock();
        m.reset();
    });
    yield();
    m->unlock();
    f.wait();
    CHECK(!m);
}
