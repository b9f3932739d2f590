// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/fiber.hpp>
#include <tendril/runtime/hub.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>
#include <tendril/sync/condition_variable.hpp>
#include <tendril/sync/mutex.hpp>
#include <tendril/test/virtual_time.hpp>

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "../support/clean_end.hpp"
#include "../support/errc_of.hpp"
#include "../support/is_free.hpp"
#include <doctest/doctest.h>

using namespace std::chrono_literals;
using namespace tendril;
using test::clean_end;
using test::errc_of;
using test::is_free;
using test::virtual_time;

namespace {

// Fibers a, b, c... that wait to be notified; each notes that it was.
std::vector<fiber<>> waiting_for(tendril::condition_variable& changed,
                                 mutex& m,
                                 std::string& told,
                                 int count) {
    std::vector<fiber<>> fibers;
    for (int i = 0; i < count; ++i) {
        fibers.push_back(spawn([&, name = static_cast<char>('a' + i)] {
            std::unique_lock held(m);
            changed.wait(held);
            told += name;
        }));
    }
    yield();
    return fibers;
}

}  // namespace

TEST_SUITE_BEGIN("sync/condition_variable");

TEST_CASE_FIXTURE(clean_end, "the mutex is free while one waits, and locked after") {
    mutex m;
    tendril::condition_variable changed;
    bool held_after = false;
    auto f = spawn([&] {
        std::unique_lock held(m);
        changed.wait(held);
        held_after = held.owns_lock() && !m.try_lock();
        held.unlock();
    });
    yield();
    CHECK(is_free(m));
    changed.notify_one();
    f.wait();
    CHECK(held_after);
    CHECK(is_free(m));
}

TEST_CASE_FIXTURE(clean_end, "notify_one tells the one that has waited longest") {
    mutex m;
    tendril::condition_variable changed;
    std::string told;
    const auto fibers = waiting_for(changed, m, told, 3);
    changed.notify_one();
    CHECK(told.empty());
    yield();
    CHECK(told == "a");
    changed.notify_one();
    changed.notify_one();
    yield();
    CHECK(told == "abc");
}

TEST_CASE_FIXTURE(clean_end, "notify_all tells all that wait now, in order") {
    mutex m;
    tendril::condition_variable changed;
    std::string told;
    const auto first = waiting_for(changed, m, told, 3);
    changed.notify_all();
    const auto late = waiting_for(changed, m, told, 1);
    CHECK(told == "abc");
    CHECK(!late[0].done());
    changed.notify_one();
    late[0].wait();
    CHECK(told == "abca");
}

TEST_CASE_FIXTURE(clean_end, "a notification that nobody waits for is not remembered") {
    virtual_time time;
    mutex m;
    tendril::condition_variable changed;
    changed.notify_one();
    changed.notify_all();
    std::unique_lock held(m);
    CHECK(changed.wait_for(held, 1s) == std::cv_status::timeout);
    CHECK(time.passed() == 1s);
}

TEST_CASE_FIXTURE(clean_end, "those told queue up for the mutex in their order") {
    mutex m;
    tendril::condition_variable changed;
    std::string told;
    const auto fibers = waiting_for(changed, m, told, 4);
    m.lock();
    changed.notify_all();
    yield();
    yield();
    CHECK(told.empty());
    m.unlock();
    for (const auto& f : fibers) f.wait();
    CHECK(told == "abcd");
    CHECK(is_free(m));
}

TEST_CASE_FIXTURE(clean_end, "callbacks may notify, but not wait") {
    mutex m;
    tendril::condition_variable changed;
    std::string told;
    const auto fibers = waiting_for(changed, m, told, 3);
    std::optional<errc> got;
    bool locked_after = false;
    hub::current().call_soon([&] {
        changed.notify_one();
        std::unique_lock held(m, std::try_to_lock);
        got = errc_of([&] { changed.wait(held); });
        locked_after = held.owns_lock() && !m.try_lock();
        changed.notify_all();
    });
    for (const auto& f : fibers) f.wait();
    CHECK(told == "abc");
    CHECK(got == errc::in_hub);
    CHECK(locked_after);
    CHECK(is_free(m));
}

TEST_CASE_FIXTURE(clean_end, "to wait without the mutex is an error") {
    mutex m;
    tendril::condition_variable changed;
    std::unique_lock<mutex> none;
    CHECK(errc_of([&] { changed.wait(none); }) == errc::not_owner);
    std::unique_lock later(m, std::defer_lock);
    CHECK(errc_of([&] { changed.wait(later); }) == errc::not_owner);
    CHECK(errc_of([&] { changed.wait_for(later, 1s); }) == errc::not_owner);
    CHECK(is_free(m));
}

TEST_CASE_FIXTURE(clean_end, "to wait with the mutex of another fiber is an error") {
    mutex m;
    tendril::condition_variable changed;
    std::unique_lock mine(m);
    auto f = spawn([&] { return errc_of([&] { changed.wait(mine); }); });
    CHECK(f.wait() == errc::not_owner);
    CHECK(mine.owns_lock());
    CHECK(!m.try_lock());
    // Nobody was left in line.
    auto g = spawn([&] {
        std::unique_lock held(m);
        return changed.wait_for(held, forever) == std::cv_status::no_timeout;
    });
    mine.unlock();
    yield();
    changed.notify_one();
    CHECK(g.wait());
}

TEST_CASE_FIXTURE(clean_end, "out of time, it says so and has the mutex") {
    virtual_time time;
    mutex m;
    tendril::condition_variable changed;
    std::unique_lock held(m);
    CHECK(changed.wait_for(held, 250ms) == std::cv_status::timeout);
    CHECK(time.passed() == 250ms);
    CHECK(errc_of([&] { m.lock(); }) == errc::already_set);
    CHECK(changed.wait_until(held, hub::current().now()) == std::cv_status::timeout);
    CHECK(time.passed() == 250ms);
    CHECK(errc_of([&] { changed.wait_for(held, -1s); }) == errc::bad_argument);
    CHECK(errc_of([&] { m.lock(); }) == errc::already_set);
}

TEST_CASE_FIXTURE(clean_end, "it comes back late if the mutex is not free in time") {
    virtual_time time;
    mutex m;
    tendril::condition_variable changed;
    auto f = spawn([&] {
        std::unique_lock held(m);
        return changed.wait_for(held, 1s) == std::cv_status::timeout;
    });
    yield();
    m.lock();
    tendril::sleep(5s);
    CHECK(!f.done());
    m.unlock();
    CHECK(f.wait());
    CHECK(time.passed() == 5s);
}

TEST_CASE_FIXTURE(clean_end, "notified at the very deadline, it was notified") {
    virtual_time time;
    mutex m;
    tendril::condition_variable changed;
    hub::current().call_later(1s, [&] { changed.notify_one(); });
    std::unique_lock held(m);
    CHECK(changed.wait_for(held, 1s) == std::cv_status::no_timeout);
    CHECK(time.passed() == 1s);
}

TEST_CASE_FIXTURE(clean_end, "notified after the very deadline, the next has it") {
    virtual_time time;
    mutex m;
    tendril::condition_variable changed;
    std::string told;
    auto f = spawn([&] {
        std::unique_lock held(m);
        return changed.wait_for(held, 1s) == std::cv_status::timeout;
    });
    yield();
    const auto next = waiting_for(changed, m, told, 1);
    hub::current().call_later(1s, [&] { changed.notify_one(); });
    CHECK(f.wait());
    next[0].wait();
    CHECK(told == "a");
}

TEST_CASE_FIXTURE(clean_end, "it waits until its predicate is true") {
    virtual_time time;
    mutex m;
    tendril::condition_variable changed;
    int count = 0, looked = 0;
    auto f = spawn([&] {
        std::unique_lock held(m);
        changed.wait(held, [&] {
            ++looked;
            return count == 3;
        });
    });
    for (int i = 0; i < 3; ++i) {
        yield();
        CHECK(!f.done());
        const std::lock_guard held(m);
        ++count;
        changed.notify_all();
    }
    f.wait();
    CHECK(looked == 4);
    std::unique_lock held(m);
    CHECK(changed.wait_for(held, 0s, [] { return true; }));
    CHECK(!changed.wait_for(held, 1s, [] { return false; }));
    CHECK(time.passed() == 1s);
    // What becomes true just as the time runs out counts.
    hub::current().call_later(1s, [&] { count = 4; });
    CHECK(changed.wait_for(held, 1s, [&] { return count == 4; }));
}

TEST_CASE_FIXTURE(clean_end, "a predicate that throws leaves the mutex locked") {
    mutex m;
    tendril::condition_variable changed;
    auto f = spawn([&] {
        std::unique_lock held(m);
        int calls = 0;
        CHECK_THROWS_AS(changed.wait(held,
                                     [&]() -> bool {
                                         if (++calls == 2)
                                             throw std::runtime_error("no");
                                         return false;
                                     }),
                        std::runtime_error);
        CHECK(errc_of([&] { m.lock(); }) == errc::already_set);
    });
    yield();
    changed.notify_one();
    f.wait();
    CHECK(is_free(m));
}

TEST_CASE_FIXTURE(clean_end, "a fiber that was notified may destroy it") {
    mutex m;
    auto changed = std::make_unique<tendril::condition_variable>();
    auto f = spawn([&] {
        std::unique_lock held(m);
        changed->wait(held);
        changed.reset();
    });
    yield();
    changed->notify_all();
    f.wait();
    CHECK(!changed);
}
