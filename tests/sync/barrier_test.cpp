// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/fiber.hpp>
#include <tendril/runtime/hub.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>
#include <tendril/sync/barrier.hpp>
#include <tendril/test/virtual_time.hpp>

#include <chrono>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "../support/clean_end.hpp"
#include "../support/errc_of.hpp"
#include <doctest/doctest.h>

using namespace std::chrono_literals;
using namespace tendril;
using test::clean_end;
using test::errc_of;
using test::virtual_time;

TEST_SUITE_BEGIN("sync/barrier");

TEST_CASE_FIXTURE(clean_end,
                  "rounds: nobody begins one before all have ended the last") {
    barrier b(3);
    std::string steps;
    std::vector<fiber<>> all;
    for (const char name : {'a', 'b', 'c'}) {
        all.push_back(spawn([&, name] {
            for (int round = 0; round < 3; ++round) {
                for (int i = 0; i < name - 'a'; ++i) yield();
                steps += name;
                b.arrive_and_wait();
            }
        }));
    }
    for (const auto& f : all) f.wait();
    REQUIRE(steps.size() == 9);
    for (std::size_t round = 0; round < 9; round += 3) {
        for (const char name : {'a', 'b', 'c'}) {
            CHECK(steps.substr(round, 3).find(name) != std::string::npos);
        }
    }
}

TEST_CASE_FIXTURE(clean_end, "each gets its number by order of arrival") {
    barrier b(3);
    auto first = spawn([&] { return b.arrive_and_wait(); });
    auto second = spawn([&] { return b.arrive_and_wait(); });
    yield();
    CHECK(b.waiting() == 2);
    CHECK(b.arrive_and_wait() == 2);
    CHECK(first.wait() == 0);
    CHECK(second.wait() == 1);
    CHECK(b.waiting() == 0);
    CHECK(b.parties() == 3);
}

TEST_CASE_FIXTURE(clean_end,
                  "the completion runs once a round, before anybody goes on") {
    std::string events;
    barrier b(2, [&] {
        events += 'c';
        yield();
        events += 'C';
    });
    auto other = spawn([&] {
        b.arrive_and_wait();
        events += 'o';
        b.arrive_and_wait();
    });
    yield();
    b.arrive_and_wait();
    events += 'm';
    b.arrive_and_wait();
    other.wait();
    CHECK(events.substr(0, 2) == "cC");
    CHECK(events.substr(4) == "cC");
    CHECK(events.size() == 6);
}

TEST_CASE_FIXTURE(clean_end,
                  "what the completion throws is the last one's, the others go on") {
    barrier b(2, [] { throw std::runtime_error("no"); });
    auto other = spawn([&] { return b.arrive_and_wait(); });
    yield();
    CHECK_THROWS_AS(b.arrive_and_wait(), std::runtime_error);
    CHECK(other.wait() == 0);
}

TEST_CASE_FIXTURE(clean_end, "who is killed or out of time has not arrived") {
    virtual_time time;
    barrier b(2);
    auto killed = spawn([&] { b.arrive_and_wait(); });
    yield();
    killed.kill();
    CHECK(b.waiting() == 0);
    const duration begin = time.passed();
    CHECK_FALSE(b.arrive_for(1s));
    CHECK(time.passed() - begin == 1s);
    auto other = spawn([&] { b.arrive_and_wait(); });
    CHECK(b.arrive_for(1s) == 0U);
    other.wait();
}

TEST_CASE_FIXTURE(clean_end, "a kill that comes when the round is over is for later") {
    barrier b(2);
    bool passed = false;
    auto other = spawn([&] {
        b.arrive_and_wait();
        passed = true;
        yield();
        CHECK(false);
    });
    yield();
    b.arrive_and_wait();
    other.kill();
    other.join();
    CHECK(passed);
}

TEST_CASE_FIXTURE(clean_end, "one party fewer: the round may be complete by that") {
    barrier b(3);
    auto one = spawn([&] { b.arrive_and_wait(); });
    auto two = spawn([&] { b.arrive_and_wait(); });
    yield();
    b.drop();
    one.wait();
    two.wait();
    CHECK(b.parties() == 2);
    b.drop();
    CHECK(errc_of([&] { b.drop(); }) == errc::bad_argument);
    CHECK(errc_of([] { barrier(0); }) == errc::bad_argument);
    CHECK(errc_of([] { barrier(static_cast<std::size_t>(-1)); }) == errc::bad_argument);
    CHECK(b.arrive_and_wait() == 0);
}

TEST_CASE_FIXTURE(clean_end, "reset: who waits is told, and it is as new") {
    barrier b(3);
    auto first = spawn([&] { return errc_of([&] { b.arrive_and_wait(); }); });
    auto second = spawn([&] { return errc_of([&] { b.arrive_for(1h); }); });
    yield();
    b.reset();
    CHECK(b.waiting() == 0);
    CHECK_FALSE(b.broken());
    auto next = spawn([&] { return b.arrive_and_wait(); });
    CHECK(first.wait() == errc::broken);
    CHECK(second.wait() == errc::broken);
    CHECK(b.waiting() == 1);
    auto another = spawn([&] { return b.arrive_and_wait(); });
    yield();
    CHECK(b.arrive_and_wait() == 2);
    CHECK(next.wait() + another.wait() == 1);
}

TEST_CASE_FIXTURE(clean_end, "abort: who waits is told, and who comes, until reset") {
    barrier b(2);
    auto waits = spawn([&] { return errc_of([&] { b.arrive_and_wait(); }); });
    yield();
    b.abort();
    CHECK(b.broken());
    CHECK(errc_of([&] { b.arrive_and_wait(); }) == errc::broken);
    CHECK(errc_of([&] { b.arrive_for(1h); }) == errc::broken);
    CHECK(waits.wait() == errc::broken);
    b.abort();
    b.reset();
    CHECK_FALSE(b.broken());
    auto other = spawn([&] { return b.arrive_and_wait(); });
    yield();
    CHECK(b.arrive_and_wait() == 1);
    CHECK(other.wait() == 0);
}

TEST_CASE_FIXTURE(clean_end, "abort: a round that is complete goes on") {
    barrier b(2);
    auto passed = spawn([&] { return b.arrive_and_wait(); });
    yield();
    CHECK(b.arrive_and_wait() == 1);
    b.abort();
    CHECK(passed.wait() == 0);

    barrier aborts_itself(2, [&] { aborts_itself.abort(); });
    auto first = spawn([&] { return aborts_itself.arrive_and_wait(); });
    yield();
    CHECK(aborts_itself.arrive_and_wait() == 1);
    CHECK(first.wait() == 0);
    CHECK(aborts_itself.broken());
}

TEST_CASE_FIXTURE(clean_end, "a party that fails can let the others know") {
    barrier b(3);
    const auto party = [&](bool fails) {
        try {
            if (fails) throw std::runtime_error("out of paper");
            b.arrive_and_wait();
        } catch (const std::runtime_error&) {
            b.abort();
        }
    };
    auto one = spawn([&] { return errc_of([&] { party(false); }); });
    auto two = spawn([&] { return errc_of([&] { party(false); }); });
    auto three = spawn([&] { return errc_of([&] { party(true); }); });
    CHECK(one.wait() == errc::broken);
    CHECK(two.wait() == errc::broken);
    CHECK_FALSE(three.wait());
}

TEST_SUITE_END();
