// Where a kill reaches a fiber that stands in the middle of something.
// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/fiber.hpp>
#include <tendril/runtime/greenlet.hpp>
#include <tendril/runtime/hub.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>
#include <tendril/test/virtual_time.hpp>

#include <chrono>
#include <exception>
#include <memory>
#include <stdexcept>
#include <string>

#include "../support/at_end.hpp"
#include "../support/clean_end.hpp"
#include <doctest/doctest.h>

using namespace std::chrono_literals;
using namespace tendril;
using test::at_end;
using test::clean_end;
using test::virtual_time;

TEST_SUITE_BEGIN("runtime/kill");

TEST_CASE_FIXTURE(clean_end,
                  "a sleeper whose time is up, but who has not run, is killed") {
    virtual_time time;
    auto f = spawn([] { tendril::sleep(1s); });
    yield();
    hub::current().call_later(1s, [&] { f.kill(); });
    CHECK_THROWS_AS(f.wait(), greenlet_exit);
    CHECK(time.passed() == 1s);
}

TEST_CASE_FIXTURE(clean_end, "a kill waits until its victim has done unwinding") {
    virtual_time time;
    std::string order;
    auto f = spawn([&] {
        try {
            const at_end slow{[&] {
                order += "cleaning,";
                tendril::sleep(1s);
                order += "cleaned,";
            }};
            throw std::runtime_error("first");
        } catch (const std::runtime_error&) {
            order += "caught,";
        }
        tendril::sleep(1s);
        order += "never";
    });
    yield();
    f.kill();
    CHECK(order == "cleaning,");
    CHECK_THROWS_AS(f.wait(), greenlet_exit);
    CHECK(order == "cleaning,cleaned,caught,");
    CHECK(time.passed() == 1s);
}

TEST_CASE_FIXTURE(clean_end,
                  "a fiber that kills itself while unwinding is not terminated") {
    std::string order;
    auto f = spawn([&] {
        try {
            const at_end suicidal{[] { current().kill(); }};
            throw std::runtime_error("first");
        } catch (const std::runtime_error&) {
            order += "caught,";
        }
        yield();
        order += "never";
    });
    CHECK_THROWS_AS(f.wait(), greenlet_exit);
    CHECK(order == "caught,");
}

TEST_CASE_FIXTURE(clean_end, "a kill during a catch block is thrown there") {
    std::string caught;
    auto f = spawn([&] {
        try {
            throw 1;
        } catch (int) {
            try {
                tendril::sleep(1h);
            } catch (const greenlet_exit&) {
                caught += "exit,";
            }
            try {
                throw;
            } catch (int) {
                caught += "int";
            }
        }
    });
    yield();
    f.kill();
    f.wait();
    CHECK(caught == "exit,int");
}

TEST_CASE_FIXTURE(clean_end, "a kill reaches a fiber that is away in a raw switch") {
    virtual_time time;
    std::string order;
    auto f = spawn([&] {
        greenlet<> child([&] {
            tendril::sleep(1s);
            order += "child";
        });
        try {
            child.switch_to();
        } catch (const greenlet_exit&) {
            order += "killed,";
        }
        tendril::sleep(2s);
    });
    yield();
    f.kill();
    CHECK(order == "killed,");
    f.wait();
    CHECK(order == "killed,child");
}

TEST_CASE_FIXTURE(clean_end, "a sleeping greenlet's kill comes back to its parent") {
    virtual_time time;
    any_fiber inside;
    greenlet<> g([&] {
        inside = current();
        tendril::sleep(1h);
    });
    auto killer = spawn([&] { inside.kill(std::runtime_error("wake up")); });
    CHECK_THROWS_WITH_AS(g.switch_to(), "wake up", std::runtime_error);
    CHECK(g.dead());
    CHECK(inside.done());
    CHECK(time.passed() == 0s);
    killer.wait();
}

TEST_CASE_FIXTURE(clean_end, "main can be killed like any other fiber") {
    virtual_time time;
    const any_fiber main = current();
    auto killer = spawn([&] { main.kill(std::runtime_error("main")); });
    CHECK_THROWS_WITH_AS(tendril::sleep(1h), "main", std::runtime_error);
    killer.wait();
    CHECK(time.passed() == 0s);
}

TEST_CASE_FIXTURE(clean_end, "a killer that is killed meanwhile is told in kill()") {
    auto victim = spawn([] { tendril::sleep(1h); });
    fiber<> killer;
    killer = spawn([&] {
        try {
            victim.kill();
        } catch (const greenlet_exit&) {
            CHECK(victim.done());
            throw;
        }
    });
    auto other = spawn([&] { killer.kill(); });
    CHECK_THROWS_AS(killer.wait(), greenlet_exit);
    other.wait();
}

TEST_SUITE_END();
