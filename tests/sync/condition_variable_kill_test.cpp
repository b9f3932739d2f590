// condition_variable_kill_test.cpp - kills and timeouts of those who wait: they always
// have the mutex back, and take no notification with them.
//
// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/fiber.hpp>
#include <tendril/runtime/hub.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>
#include <tendril/runtime/timeout.hpp>
#include <tendril/sync/condition_variable.hpp>
#include <tendril/sync/mutex.hpp>
#include <tendril/test/virtual_time.hpp>

#include <chrono>
#include <cstddef>
#include <mutex>
#include <string>
#include <vector>

#include "../support/clean_end.hpp"
#include "../support/errc_of.hpp"
#include "../support/is_free.hpp"
#include "../support/kill_everywhere.hpp"
#include <doctest/doctest.h>

using namespace std::chrono_literals;
using namespace tendril;
using test::clean_end;
using test::errc_of;
using test::is_free;
using test::virtual_time;

namespace {

bool owns(mutex& m) {
    return errc_of([&] { m.lock(); }) == errc::already_set;
}

}  // namespace

TEST_SUITE_BEGIN("sync/condition_variable kills");

TEST_CASE_FIXTURE(clean_end, "one killed in line leaves, the others are told") {
    for (std::size_t victim = 0; victim < 4; ++victim) {
        mutex m;
        tendril::condition_variable changed;
        std::string told;
        std::vector<fiber<>> fibers;
        for (const char name : {'a', 'b', 'c', 'd'}) {
            fibers.push_back(spawn([&, name] {
                std::unique_lock held(m);
                changed.wait(held);
                told += name;
            }));
        }
        yield();
        fibers[victim].kill();
        CHECK(fibers[victim].done());
        CHECK(is_free(m));
        for (int i = 0; i < 3; ++i) changed.notify_one();
        for (const auto& f : fibers) f.join();
        std::string others = "abcd";
        others.erase(victim, 1);
        CHECK(told == others);
    }
}

TEST_CASE_FIXTURE(clean_end, "a killed one unwinds with the mutex locked") {
    mutex m;
    tendril::condition_variable changed;
    bool owned = false;
    auto f = spawn([&] {
        std::unique_lock held(m);
        try {
            changed.wait(held);
        } catch (const greenlet_exit&) {
            owned = owns(m);
            throw;
        }
    });
    yield();
    f.kill();
    CHECK(f.done());
    CHECK(owned);
    CHECK(is_free(m));
}

TEST_CASE_FIXTURE(clean_end, "however often killed, it first gets the mutex") {
    mutex m;
    tendril::condition_variable changed;
    std::string order;
    auto f = spawn([&] {
        std::unique_lock held(m);
        try {
            changed.wait(held);
        } catch (const int which) {
            order += owns(m) ? "owned " : "lost ";
            order += std::to_string(which);
        }
        for (int i = 0; i < 2; ++i) {
            try {
                yield();
            } catch (const int which) {
                order += std::to_string(which);
            }
        }
    });
    yield();
    m.lock();
    f.kill(1);
    f.kill(2);
    f.kill(3);
    CHECK(order.empty());
    m.unlock();
    f.wait();
    CHECK(order == "owned 123");
    CHECK(is_free(m));
}

TEST_CASE_FIXTURE(clean_end, "killed once notified, it goes on to its next park") {
    mutex m;
    tendril::condition_variable changed;
    std::string order;
    auto f = spawn([&] {
        std::unique_lock held(m);
        changed.wait(held);
        order += owns(m) ? "owned" : "lost";
        yield();
        order += " not reached";
    });
    yield();
    changed.notify_one();
    f.kill();
    f.join();
    CHECK_THROWS_AS(f.wait(), greenlet_exit);
    CHECK(order == "owned");
    CHECK(is_free(m));
}

TEST_CASE_FIXTURE(clean_end, "killed, then notified: the next in line is told") {
    mutex m;
    tendril::condition_variable changed;
    std::string told;
    const auto wait = [&](char name) {
        std::unique_lock held(m);
        changed.wait(held);
        told += name;
    };
    auto a = spawn(wait, 'a'), b = spawn(wait, 'b');
    yield();
    hub::current().call_soon([&] {
        a.kill();
        changed.notify_one();
    });
    b.wait();
    CHECK(told == "b");
    CHECK(a.done());
}

TEST_CASE_FIXTURE(clean_end, "a scope that runs out leaves with the mutex locked") {
    virtual_time time;
    mutex m;
    tendril::condition_variable changed;
    std::unique_lock held(m);
    CHECK(!timeout::silent(1s, [&] { changed.wait(held); }));
    CHECK(time.passed() == 1s);
    CHECK(owns(m));
}

TEST_CASE_FIXTURE(clean_end, "a scope that runs out during the relock is late") {
    virtual_time time;
    mutex m;
    tendril::condition_variable changed;
    std::string order;
    auto f = spawn([&] {
        std::unique_lock held(m);
        const timeout limit(2s);
        try {
            order +=
                changed.wait_for(held, 1s) == std::cv_status::timeout ? "late " : "";
            order += owns(m) ? "owned " : "lost ";
            yield();
        } catch (const timed_out& e) {
            order += e.from(limit) ? "out of time" : "by another";
        }
    });
    yield();
    m.lock();
    tendril::sleep(5s);
    CHECK(order.empty());
    m.unlock();
    f.wait();
    CHECK(order == "late owned out of time");
    CHECK(is_free(m));
}

TEST_CASE_FIXTURE(clean_end, "killed anywhere, it unwinds with the mutex locked") {
    for (const int strikes : {1, 2, 4}) {
        const int kills = test::kill_everywhere(
            [](test::doomed& victim) {
                mutex m;
                tendril::condition_variable changed;
                int turn = 0;
                bool owned = true;
                const auto body = [&](int me) {
                    std::unique_lock held(m);
                    for (int i = 0; i < 2; ++i) {
                        try {
                            changed.wait(held, [&] { return turn % 3 == me; });
                        } catch (...) {
                            owned = owned && owns(m);
                            ++turn;
                            changed.notify_all();
                            throw;
                        }
                        ++turn;
                        changed.notify_all();
                        yield();
                    }
                };
                auto a = spawn(body, 0), b = victim.spawn([&] { body(1); }),
                     c = spawn(body, 2);
                // Takes the turns of the one that has ended.
                while (!a.done() || !c.done()) {
                    tendril::sleep(1s);
                    const std::lock_guard held(m);
                    if (b.done() && turn % 3 == 1) ++turn;
                    changed.notify_all();
                }
                b.join();
                return owned && is_free(m);
            },
            strikes);
        CHECK(kills >= 8);
    }
}

TEST_CASE_FIXTURE(clean_end, "a bounded buffer survives kills of a consumer") {
    const int kills = test::kill_everywhere([](test::doomed& victim) {
        mutex m;
        tendril::condition_variable not_empty, not_full;
        std::vector<int> buffer, taken;
        bool over = false;
        const auto consume = [&] {
            for (;;) {
                std::unique_lock held(m);
                not_empty.wait(held, [&] { return over || !buffer.empty(); });
                if (buffer.empty()) return;
                taken.push_back(buffer.front());
                buffer.erase(buffer.begin());
                not_full.notify_one();
            }
        };
        auto a = spawn(consume), b = victim.spawn(consume);
        for (int i = 0; i < 6; ++i) {
            std::unique_lock held(m);
            not_full.wait(held, [&] { return buffer.size() < 2; });
            buffer.push_back(i);
            not_empty.notify_one();
            if (i % 2 == 1) yield();
        }
        tendril::sleep(1s);
        m.lock();
        over = true;
        not_empty.notify_all();
        m.unlock();
        a.wait();
        b.join();
        return taken == std::vector{0, 1, 2, 3, 4, 5} && is_free(m);
    });
    CHECK(kills >= 5);
}
