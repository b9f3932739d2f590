// semaphore_kill_test.cpp - kills and timeouts of those who wait: no token is lost.
//
// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/fiber.hpp>
#include <tendril/runtime/hub.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>
#include <tendril/runtime/timeout.hpp>
#include <tendril/sync/semaphore.hpp>
#include <tendril/test/virtual_time.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <string>
#include <vector>

#include "../support/at_end.hpp"
#include "../support/clean_end.hpp"
#include "../support/kill_everywhere.hpp"
#include <doctest/doctest.h>

using namespace std::chrono_literals;
using namespace tendril;
using test::clean_end;
using test::virtual_time;

namespace {

// Gives its token back, as careful users do.
class token {
  public:
    explicit token(semaphore& s) : from_(s) { s.acquire(); }

    token(const token&) = delete;
    token& operator=(const token&) = delete;

    ~token() { from_.release(); }

  private:
    semaphore& from_;
};

// Fibers a, b, c... that wait for a token and keep it; each notes that it has one.
std::vector<fiber<>> waiting_for(semaphore& s, std::string& had, int count) {
    std::vector<fiber<>> fibers;
    for (int i = 0; i < count; ++i) {
        fibers.push_back(spawn([&s, &had, name = static_cast<char>('a' + i)] {
            s.acquire();
            had += name;
        }));
    }
    yield();
    return fibers;
}

}  // namespace

TEST_SUITE_BEGIN("sync/semaphore kills");

TEST_CASE_FIXTURE(clean_end, "killed in line, it leaves the tokens to the others") {
    for (std::size_t victim = 0; victim < 4; ++victim) {
        semaphore s(0);
        std::string had;
        const auto fibers = waiting_for(s, had, 4);
        fibers[victim].kill();
        CHECK(s.balance() == -3);
        s.release(4);
        yield();
        std::string others = "abcd";
        others.erase(victim, 1);
        CHECK(had == others);
        CHECK(s.balance() == 1);
    }
}

TEST_CASE_FIXTURE(clean_end, "killed, then released: the next in line has it") {
    semaphore s(0);
    std::string had;
    const auto fibers = waiting_for(s, had, 2);
    hub::current().call_soon([&] {
        fibers[0].kill();
        s.release();
    });
    fibers[1].wait();
    CHECK(had == "b");
    CHECK(s.balance() == 0);
}

TEST_CASE_FIXTURE(clean_end, "killed with its token on the way, it gives it back") {
    semaphore s(0);
    std::string order;
    auto killed = spawn([&] {
        const token mine(s);
        order += "had ";
        yield();
        order += "not reached";
    });
    auto next = spawn([&] {
        const token mine(s);
        order += "next";
    });
    yield();
    s.release();
    killed.kill();
    next.wait();
    CHECK_THROWS_AS(killed.wait(), greenlet_exit);
    CHECK(order == "had next");
    CHECK(s.balance() == 1);
}

TEST_CASE_FIXTURE(clean_end, "two tokens given to the dying reach the living") {
    semaphore s(0);
    int had = 0;
    std::vector<fiber<>> fibers;
    for (int i = 0; i < 4; ++i) {
        fibers.push_back(spawn([&] {
            const token mine(s);
            yield();
            ++had;
        }));
    }
    yield();
    s.release(2);
    fibers[0].kill();
    fibers[1].kill();
    for (const auto& f : fibers) f.join();
    CHECK(had == 2);
    CHECK(s.balance() == 2);
}

TEST_CASE_FIXTURE(clean_end, "a scope that runs out takes no token") {
    virtual_time time;
    semaphore s(0);
    CHECK(!timeout::silent(1s, [&] { s.acquire(); }));
    CHECK(time.passed() == 1s);
    s.release();
    CHECK(s.balance() == 1);
}

TEST_CASE_FIXTURE(clean_end, "killed anywhere, it takes no token with it") {
    const int kills = test::kill_everywhere([](test::doomed& victim) {
        semaphore s(2);
        int inside = 0, most = 0;
        const auto body = [&] {
            for (int i = 0; i < 2; ++i) {
                const token mine(s);
                most = std::max(most, ++inside);
                const test::at_end leave{[&] { --inside; }};
                yield();
            }
        };
        const std::vector<fiber<>> fibers{spawn(body), spawn(body), victim.spawn(body),
                                          spawn(body)};
        for (const auto& f : fibers) f.join();
        return most == 2 && inside == 0 && s.balance() == 2;
    });
    CHECK(kills >= 8);
}
