// mutex_kill_test.cpp - kills and timeouts around a mutex: it is never lost.
//
// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/fiber.hpp>
#include <tendril/runtime/hub.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>
#include <tendril/runtime/timeout.hpp>
#include <tendril/sync/mutex.hpp>
#include <tendril/test/virtual_time.hpp>

#include <chrono>
#include <cstddef>
#include <mutex>
#include <stdexcept>
#include <string>
#include <vector>

#include "../support/at_end.hpp"
#include "../support/clean_end.hpp"
#include "../support/is_free.hpp"
#include "../support/kill_everywhere.hpp"
#include <doctest/doctest.h>

using namespace std::chrono_literals;
using namespace tendril;
using test::clean_end;
using test::is_free;
using test::virtual_time;

namespace {

// Fibers a, b, c... that want the mutex; each notes that it had it.
std::vector<fiber<>> in_line(mutex& m, std::string& had, int count) {
    std::vector<fiber<>> fibers;
    for (int i = 0; i < count; ++i) {
        fibers.push_back(spawn([&m, &had, name = static_cast<char>('a' + i)] {
            const std::lock_guard held(m);
            had += name;
            yield();
        }));
    }
    yield();
    return fibers;
}

}  // namespace

TEST_SUITE_BEGIN("sync/mutex kills");

TEST_CASE_FIXTURE(clean_end, "killed in line, it never has the mutex") {
    for (std::size_t victim = 0; victim < 4; ++victim) {
        mutex m;
        std::string had;
        m.lock();
        const auto fibers = in_line(m, had, 4);
        fibers[victim].kill();
        CHECK(fibers[victim].done());
        CHECK(had.empty());
        m.unlock();
        for (const auto& f : fibers) f.join();
        std::string others = "abcd";
        others.erase(victim, 1);
        CHECK(had == others);
        CHECK(is_free(m));
    }
}

TEST_CASE_FIXTURE(clean_end, "the owner killed while it sleeps unlocks as it unwinds") {
    virtual_time time;
    mutex m;
    std::string had;
    auto owner = spawn([&] {
        const std::lock_guard held(m);
        tendril::sleep(1h);
    });
    yield();
    const auto fibers = in_line(m, had, 2);
    owner.kill();
    fibers[1].wait();
    CHECK(had == "ab");
    CHECK(time.passed() == 0s);
}

TEST_CASE_FIXTURE(clean_end, "killed after the hand-over, it has it and unlocks") {
    mutex m;
    std::string had;
    m.lock();
    const auto fibers = in_line(m, had, 3);
    m.unlock();
    fibers[0].kill();
    for (const auto& f : fibers) f.join();
    CHECK_THROWS_AS(fibers[0].wait(), greenlet_exit);
    CHECK(had == "abc");
    CHECK(is_free(m));
}

TEST_CASE_FIXTURE(clean_end, "killed, then unlocked: the next in line has it") {
    mutex m;
    std::string had;
    hub::current().call_soon([&] { CHECK(m.try_lock()); });
    const auto fibers = in_line(m, had, 2);
    hub::current().call_soon([&] {
        fibers[0].kill();
        m.unlock();
    });
    fibers[1].wait();
    CHECK(had == "b");
    CHECK(fibers[0].done());
    CHECK(is_free(m));
}

TEST_CASE_FIXTURE(clean_end, "a scope that runs out leaves the mutex to others") {
    virtual_time time;
    mutex m;
    m.lock();
    auto f = spawn([&] { return timeout::silent(1s, [&] { m.lock(); }); });
    CHECK(!f.wait());
    CHECK(time.passed() == 1s);
    m.unlock();
    CHECK(is_free(m));
}

TEST_CASE_FIXTURE(clean_end, "a scope that runs out as it is handed over is late") {
    virtual_time time;
    mutex m;
    std::string order;
    hub::current().call_soon([&] { CHECK(m.try_lock()); });
    hub::current().call_later(1s, [&] { m.unlock(); });
    auto f = spawn([&] {
        yield();
        const timeout limit(1s);
        try {
            const std::lock_guard held(m);
            order += "held ";
            yield();
            order += "not reached";
        } catch (const timed_out& e) {
            order += e.from(limit) ? "timed out" : "by another";
        }
    });
    f.wait();
    CHECK(order == "held timed out");
    CHECK(is_free(m));
}

// limit.cancel() comes too late to keep the fiber in line, so it must not look as if
// the mutex had come.
TEST_CASE_FIXTURE(clean_end, "a scope cancelled too late by another is thrown") {
    virtual_time time;
    mutex m;
    timeout* scope = nullptr;
    bool locked = false;
    m.lock();
    auto f = spawn([&] {
        timeout limit(1s);
        scope = &limit;
        m.lock();
        locked = true;
    });
    yield();
    hub::current().call_later(1s, [&] { scope->cancel(); });
    CHECK_THROWS_AS(f.wait(), timed_out);
    CHECK(!locked);
    m.unlock();
    CHECK(is_free(m));
}

TEST_CASE_FIXTURE(clean_end, "locked while unwinding, it is not given up for a kill") {
    mutex m;
    std::string order;

    m.lock();
    auto f = spawn([&] {
        try {
            const test::at_end lock{[&] {
                const std::lock_guard held(m);
                order += "held ";
            }};
            throw std::runtime_error("unwind");
        } catch (const std::runtime_error& e) {
            order += e.what();
        }
        try {
            yield();
        } catch (const greenlet_exit&) {
            order += " killed";
        }
    });
    yield();
    f.kill();
    CHECK(!f.done());
    CHECK(order.empty());
    m.unlock();
    f.wait();
    CHECK(order == "held unwind killed");
    CHECK(is_free(m));
}

TEST_CASE_FIXTURE(clean_end, "killed anywhere, it leaves the mutex free") {
    const int kills = test::kill_everywhere([](test::doomed& victim) {
        mutex m;
        int inside = 0, finished = 0;
        bool alone = true;
        const auto body = [&] {
            for (int i = 0; i < 3; ++i) {
                const std::lock_guard held(m);
                const test::at_end leave{[&] { --inside; }};
                alone = alone && ++inside == 1;
                yield();
            }
            ++finished;
        };
        const std::vector<fiber<>> fibers{spawn(body), victim.spawn(body), spawn(body)};
        for (const auto& f : fibers) f.join();
        return alone && inside == 0 && finished == (victim.struck() ? 2 : 3) &&
               is_free(m);
    });
    CHECK(kills >= 7);
}

TEST_CASE_FIXTURE(clean_end, "killed again and again, it still unlocks") {
    for (const int strikes : {2, 3, 5}) {
        const int kills = test::kill_everywhere(
            [](test::doomed& victim) {
                mutex m;
                const auto body = [&] {
                    for (int i = 0; i < 6; ++i) {
                        try {
                            const std::lock_guard held(m);
                            yield();
                        } catch (const greenlet_exit&) {
                            yield();
                        }
                    }
                };
                const std::vector<fiber<>> fibers{spawn(body), victim.spawn(body),
                                                  spawn(body)};
                for (const auto& f : fibers) f.join();
                return is_free(m);
            },
            strikes);
        CHECK(kills >= 10);
    }
}

namespace {

// Counts itself in and out under the mutex; out by its destructor only when the fiber
// unwinds, where no kill can come out of it.
class membership {
  public:
    membership(mutex& m, int& members) : m_(m), members_(members) {
        const std::lock_guard held(m_);
        yield();
        ++members_;
    }

    membership(const membership&) = delete;
    membership& operator=(const membership&) = delete;

    ~membership() {
        if (!left_) leave();
    }

    void leave() {
        const std::lock_guard held(m_);
        --members_;
        left_ = true;
    }

  private:
    mutex& m_;
    int& members_;
    bool left_ = false;
};

}  // namespace

TEST_CASE_FIXTURE(clean_end, "killed anywhere, it can lock to clean up") {
    const auto scenario = [](test::doomed& victim) {
        mutex m;
        int members = 0;
        const auto body = [&] {
            for (int i = 0; i < 2; ++i) {
                membership mine(m, members);
                yield();
                mine.leave();
            }
        };
        const std::vector<fiber<>> fibers{spawn(body), victim.spawn(body), spawn(body)};
        for (const auto& f : fibers) f.join();
        return members == 0 && is_free(m);
    };
    CHECK(test::kill_everywhere(scenario) >= 8);
    CHECK(test::kill_everywhere(scenario, 3) >= 8);
}
