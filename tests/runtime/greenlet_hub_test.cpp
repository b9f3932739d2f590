// greenlet_hub_test.cpp - raw switches among fibers that the hub runs.
//
// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/fiber.hpp>
#include <tendril/runtime/greenlet.hpp>
#include <tendril/runtime/hub.hpp>
#include <tendril/runtime/run.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>
#include <tendril/runtime/timeout.hpp>
#include <tendril/test/virtual_time.hpp>

#include <chrono>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "../support/at_end.hpp"
#include "../support/clean_end.hpp"
#include "../support/errc_of.hpp"
#include <doctest/doctest.h>

using namespace std::chrono_literals;
using namespace tendril;
using test::at_end;
using test::clean_end;
using test::errc_of;
using test::virtual_time;

namespace {

void to_parent() {
    greenlet<>::current().parent().switch_to();
}

}  // namespace

TEST_SUITE_BEGIN("runtime/greenlet and hub");

TEST_CASE_FIXTURE(clean_end, "a greenlet that sleeps cannot be switched to meanwhile") {
    virtual_time time;
    bool woke = false;
    std::string told;
    greenlet<> g([&] {
        tendril::sleep(1h);
        woke = true;
    });
    spawn([&] {
        try {
            g.switch_to();
        } catch (const fiber_error& e) {
            CHECK(e.code() == errc::parked);
            told = e.what();
        }
        CHECK(errc_of([&] { g.throw_in(); }) == errc::parked);
    });
    g.switch_to();
    CHECK(woke);
    CHECK(g.dead());
    CHECK(time.passed() == 1h);
    CHECK(told.find("it waits for sleep") != std::string::npos);
}

TEST_CASE_FIXTURE(clean_end, "fibers in the ready queue cannot be switched to") {
    greenlet<> inside;
    auto unstarted = spawn([&] {
        inside = greenlet<>::current();
        tendril::yield();
    });
    tendril::yield();
    REQUIRE(!inside.dead());
    CHECK(errc_of([&] { inside.switch_to(); }) == errc::parked);
    unstarted.wait();
    CHECK(errc_of([&] { inside.switch_to(); }) == errc::dead);
}

TEST_CASE_FIXTURE(clean_end, "a greenlet made in a fiber returns to that fiber") {
    std::string order;
    auto pair = [&order](char c) {
        return [&order, c] {
            greenlet<> g([&] {
                for (int i = 0; i < 3; ++i) {
                    order += c;
                    to_parent();
                }
            });
            CHECK(g.parent() == greenlet<>::current());
            while (!g.dead()) {
                g.switch_to();
                tendril::yield();
            }
        };
    };
    auto a = spawn(pair('a')), b = spawn(pair('b')), c = spawn(pair('c'));
    for (const auto& f : {a, b, c}) f.wait();
    CHECK(order == "abcabcabc");
}

TEST_CASE_FIXTURE(clean_end,
                  "the hub's turn is switch_out, and a callback switches back") {
    virtual_time time;
    auto me = greenlet<int>::current();
    int got = 0;
    hub::current().call_later(1s, [me]() mutable { me.switch_to(0); });
    hub::current().switch_out();
    CHECK(time.passed() == 1s);
    // With a value, by somebody who waits for none.
    greenlet<int> giver([&](int x) {
        hub::current().call_soon([&] { giver.switch_to(4); });
        hub::current().switch_out();
        got = x;
        return x + 1;
    });
    CHECK(giver.switch_to(7) == 8);
    CHECK(got == 7);
}

TEST_CASE_FIXTURE(clean_end, "one that nobody holds is unwound when it leaves") {
    auto me = greenlet<>::current();
    for (const bool through_hub : {false, true}) {
        bool unwound = false;
        std::optional<greenlet<>> g;
        g.emplace([&] {
            const at_end note{[&] { unwound = true; }};
            g.reset();
            if (!through_hub) return me.switch_to();
            hub::current().call_soon([me]() mutable { me.switch_to(); });
            hub::current().switch_out();
        });
        g->switch_to();
        CHECK(unwound);
    }
}

TEST_CASE_FIXTURE(clean_end, "switch_out may be left by an exception") {
    auto me = greenlet<>::current();
    hub::current().call_soon(
        [me]() mutable { me.throw_in(std::runtime_error("out")); });
    CHECK_THROWS_WITH_AS(hub::current().switch_out(), "out", std::runtime_error);
}

TEST_CASE_FIXTURE(clean_end, "when no ancestor can take over, the hub does") {
    virtual_time time;
    std::string order;
    // Its parent sleeps when it ends.
    greenlet<> g([&] {
        order += '1';
        tendril::sleep(1s);
        order += '2';
        throw std::runtime_error("nobody to catch it");
    });
    auto parent = spawn([&] {
        g.set_parent(greenlet<>::current());
        try {
            timeout limit(500ms);
            g.switch_to();
        } catch (const timed_out&) {
            order += 't';
        }
        tendril::sleep(2s);
        order += '3';
    });
    parent.wait();
    CHECK(order == "1t23");
    REQUIRE(reported.size() == 1);
    CHECK(reported[0] ==
          "a greenlet whose parent could not take it: "
          "std::runtime_error: nobody to catch it");
    reported.clear();
}

TEST_CASE_FIXTURE(clean_end,
                  "a kill of a fiber that is away is thrown out of switch_to") {
    virtual_time time;
    std::string order;
    greenlet<> g([&] {
        tendril::sleep(1s);
        order += "slept";
    });
    auto f = spawn([&] {
        try {
            g.switch_to();
        } catch (const greenlet_exit&) {
            order += "killed ";
            throw;
        }
    });
    tendril::yield();
    f.kill();
    CHECK(order == "killed ");
    tendril::sleep(2s);
    CHECK(order == "killed slept");
    CHECK(g.dead());
}

TEST_CASE_FIXTURE(clean_end, "a kill waits until an unwinding destructor is through") {
    struct switches_when_destroyed {
        ~switches_when_destroyed() { to_parent(); }
    };

    std::string order;
    any_fiber as_fiber;
    greenlet<> g([&] {
        as_fiber = tendril::current();
        try {
            const switches_when_destroyed s;
            throw std::runtime_error("unwinding");
        } catch (const std::runtime_error&) {
            order += "caught ";
        }
        try {
            tendril::yield();
        } catch (const greenlet_exit&) {
            order += "killed";
            throw;
        }
    });
    g.switch_to();
    as_fiber.kill();
    CHECK(order == "");
    CHECK(!g.dead());
    g.switch_to();
    CHECK(order == "caught killed");
    CHECK(g.dead());
}

TEST_CASE_FIXTURE(clean_end, "a hub callback may run a greenlet to its next switch") {
    std::string order;
    greenlet<> g;
    hub::current().call_soon([&] {
        g = greenlet<>([&] {
            order += '1';
            to_parent();
            order += '3';
            throw std::runtime_error("out of the greenlet");
        });
        g.switch_to();
        order += '2';
        g.switch_to();
        order += "never";
    });
    tendril::yield();
    CHECK(order == "123");
    REQUIRE(reported.size() == 1);
    CHECK(reported[0].find("std::runtime_error: out of the greenlet") !=
          std::string::npos);
    reported.clear();
    g = {};
}

TEST_CASE_FIXTURE(clean_end, "a callback's greenlet that parks ends in the hub") {
    virtual_time time;
    std::string order;
    hub::current().call_soon([&] {
        greenlet<> g([&] {
            order += '1';
            tendril::sleep(1s);
            order += '3';
            throw std::runtime_error("after the callback");
        });
        g.switch_to();
        order += '2';
    });
    tendril::sleep(2s);
    CHECK(order == "123");
    REQUIRE(reported.size() == 1);
    CHECK(reported[0].find("std::runtime_error: after the callback") !=
          std::string::npos);
    reported.clear();
    // And not, say, out of the next callback's first switch.
    hub::current().call_soon([&] {
        greenlet<> innocent([&] { order += '4'; });
        innocent.switch_to();
        order += '5';
    });
    tendril::yield();
    CHECK(order == "12345");
}

TEST_CASE_FIXTURE(clean_end, "an exception thrown into the hub's loop is reported") {
    greenlet<> loop;
    std::string order;
    hub::current().call_soon([&] { loop = greenlet<>::current(); });
    tendril::sleep(0s);
    spawn([&] {
        try {
            loop.throw_in(std::runtime_error("at the loop"));
        } catch (const greenlet_exit&) {
            order += "killed";
            throw;
        }
    }).kill();
    auto f = spawn([&] { loop.throw_in(std::runtime_error("at the loop")); });
    tendril::yield();
    REQUIRE(reported.size() == 1);
    CHECK(reported[0] == "thrown into a hub's loop: std::runtime_error: at the loop");
    reported.clear();
    CHECK(!f.done());
    f.kill();
    CHECK(f.done());
}

TEST_CASE_FIXTURE(clean_end, "run() ends the started greenlets that are left") {
    bool unwound = false, ran = false;
    greenlet<> started, unstarted;
    tendril::run([&] {
        started = greenlet<>([&] {
            try {
                to_parent();
            } catch (const greenlet_exit&) {
                unwound = true;
                throw;
            }
        });
        started.switch_to();
        unstarted = greenlet<>([&] { ran = true; });
    });
    CHECK(unwound);
    CHECK(started.dead());
    CHECK(!ran);
    CHECK(!unstarted.dead());
}

TEST_CASE_FIXTURE(clean_end, "a greenlet's end can be waited for like a fiber's") {
    virtual_time time;
    any_fiber as_fiber;
    greenlet<> g([&] {
        as_fiber = tendril::current();
        tendril::sleep(1s);
    });
    auto starter = spawn([&] {
        g.set_parent(greenlet<>::current());
        g.switch_to();
    });
    tendril::yield();
    as_fiber.join();
    CHECK(g.dead());
    CHECK(time.passed() == 1s);
    starter.wait();
}

TEST_SUITE_END();
