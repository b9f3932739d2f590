// greenlet_drop_test.cpp - what happens when the last handle of a greenlet goes.
//
// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/greenlet.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>
#include <tendril/runtime/timeout.hpp>
#include <tendril/test/virtual_time.hpp>

#include <chrono>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "../support/other_thread.hpp"
#include <doctest/doctest.h>

using namespace std::chrono_literals;
using namespace tendril;
using test::clean_end;
using test::clean_end_of_threads;
using test::virtual_time;

namespace {

void to_parent() {
    greenlet<>::current().parent().switch_to();
}

// Records that it was unwound by greenlet_exit, and under which name.
greenlet<> recorder(std::string& order, char name) {
    return greenlet<>([&order, name] {
        try {
            to_parent();
        } catch (const greenlet_exit&) {
            order += name;
            throw;
        }
    });
}

}  // namespace

TEST_SUITE_BEGIN("runtime/greenlet drop");

TEST_CASE_FIXTURE(clean_end,
                  "suspended greenlets see greenlet_exit in the order dropped") {
    std::string order;
    greenlet<> a = recorder(order, 'a'), b = recorder(order, 'b');
    a.switch_to();
    b.switch_to();
    greenlet<> copy = a;
    a = {};
    CHECK(order == "");
    b = {};
    CHECK(order == "b");
    copy = {};
    CHECK(order == "ba");
}

TEST_CASE_FIXTURE(clean_end,
                  "a dropped greenlet that throws another error is reported once") {
    greenlet<> g([] {
        try {
            to_parent();
        } catch (const greenlet_exit&) {
            throw std::runtime_error("instead");
        }
    });
    g.switch_to();
    g = {};
    REQUIRE(reported.size() == 1);
    CHECK(reported[0] == "a greenlet that was dropped: std::runtime_error: instead");
    reported.clear();
}

TEST_CASE_FIXTURE(clean_end_of_threads,
                  "one that ignores the exit is reported, and ends with the thread") {
    bool ended = false;
    std::thread([&] {
        greenlet<> g([&] {
            try {
                to_parent();
            } catch (const greenlet_exit&) {
            }
            try {
                to_parent();
            } catch (const greenlet_exit&) {
                ended = true;
                throw;
            }
        });
        g.switch_to();
        g = {};
        CHECK(!ended);
        CHECK(hub::current().stacks_in_use() == 1);
    }).join();
    CHECK(ended);
    REQUIRE(reported.size() == 1);
    CHECK(reported[0].find("greenlet_exit did not end greenlet ") != std::string::npos);
    reported.clear();
}

TEST_CASE_FIXTURE(clean_end, "a child holds its parent") {
    std::string order;
    greenlet<> parent = recorder(order, 'p');
    greenlet<> child([] {}, parent);
    parent.switch_to();
    parent = {};
    CHECK(order == "");
    child = {};
    CHECK(order == "p");
}

TEST_CASE_FIXTURE(clean_end, "a temporary handle to oneself does not keep one alive") {
    bool unwound = false;
    greenlet<> g([&] {
        try {
            greenlet<>::current().parent().switch_to();
        } catch (const greenlet_exit&) {
            unwound = true;
        }
    });
    g.switch_to();
    g = {};
    CHECK(unwound);
}

TEST_CASE_FIXTURE(clean_end,
                  "the dropper is the parent during the kill, and only then") {
    const auto main = greenlet<>::current();
    greenlet<> hub_like([] {});
    std::vector<greenlet_ref> result;
    greenlet<> g(
        [&] {
            try {
                greenlet<>(main).switch_to();
            } catch (const greenlet_exit&) {
                result.push_back(greenlet<>::current().parent());
                result.push_back(greenlet<>::current());
                hub_like.switch_to();
            }
        },
        hub_like);
    g.switch_to();
    g = {};
    REQUIRE(result.size() == 2);
    CHECK(result[0] == main);
    CHECK(result[1].parent() == hub_like);
    CHECK(static_cast<bool>(result[1]));
    result.clear();
    CHECK(hub_like.dead());
}

TEST_CASE_FIXTURE(clean_end, "a parent set during the kill is kept") {
    greenlet<> stored, other([] {});
    greenlet<> g([&] {
        const auto dropper = greenlet<>::current().parent();
        try {
            to_parent();
        } catch (const greenlet_exit&) {
            stored = greenlet<>::current();
            stored.set_parent(other);
        }
        greenlet<>(dropper).switch_to();
    });
    g.switch_to();
    g = {};
    REQUIRE(static_cast<bool>(stored));
    CHECK(stored.parent() == other);
    stored.switch_to();
    CHECK(stored.dead());
    CHECK(other.dead());
}

TEST_CASE_FIXTURE(clean_end, "a value in flight survives the drop of its sender") {
    const auto main = greenlet<int>::current();
    bool killed = false;
    greenlet<int> worker, starter;
    worker = greenlet<int>([&](int) {
        const int value = greenlet<int>::current().parent().switch_to(0);
        worker = {};  // the last handle, of a greenlet that runs
        starter.set_parent(main);
        try {
            greenlet<int>(main).switch_to(value);
        } catch (const greenlet_exit&) {
            killed = true;
        }
        return 99;  // must not take the place of the value in flight
    });
    worker.switch_to(0);
    starter = greenlet<int>([](int) { return 42; }, worker);
    CHECK(starter.switch_to(0) == 42);
    CHECK(killed);
}

TEST_CASE_FIXTURE(clean_end, "an exception in flight survives the drop of its sender") {
    bool killed = false;
    greenlet<> main = greenlet<>::current(), worker;
    worker = greenlet<>([&] {
        worker = {};
        try {
            main.throw_in(std::runtime_error("in flight"));
        } catch (const greenlet_exit&) {
            killed = true;
        }
    });
    CHECK_THROWS_WITH_AS(worker.switch_to(), "in flight", std::runtime_error);
    CHECK(killed);
}

TEST_CASE_FIXTURE(clean_end, "an unstarted greenlet is dropped without running") {
    bool ran = false;
    auto token = std::make_shared<int>(0);
    greenlet<> g([&ran, token] { ran = true; });
    CHECK(token.use_count() == 2);
    g = {};
    CHECK(token.use_count() == 1);
    CHECK(!ran);
}

TEST_CASE_FIXTURE(clean_end, "a greenlet that drops itself ends at its next switch") {
    std::string order;
    greenlet<> g;
    g = greenlet<>([&] {
        g = {};
        order += '1';
        try {
            to_parent();
        } catch (const greenlet_exit&) {
            order += '2';
            throw;
        }
        order += "never";
    });
    g.switch_to();
    CHECK(order == "12");
}

TEST_CASE_FIXTURE(clean_end, "a stored greenlet is alive again") {
    greenlet<> stored;
    greenlet<> g([&] {
        try {
            to_parent();
        } catch (const greenlet_exit&) {
            stored = greenlet<>::current();
        }
        to_parent();
    });
    g.switch_to();
    g = {};
    REQUIRE(static_cast<bool>(stored));
    stored.switch_to();
    CHECK(stored.dead());
}

TEST_CASE_FIXTURE(clean_end, "a parked greenlet outlives its handles") {
    virtual_time time;
    bool finished = false;
    {
        greenlet<> g([&] {
            tendril::sleep(1s);
            finished = true;
        });
        auto starter = spawn([&] { g.switch_to(); });
        tendril::yield();
        starter.kill();
    }
    CHECK(!finished);
    tendril::sleep(2s);
    CHECK(finished);
}

TEST_CASE_FIXTURE(clean_end, "a dropped greenlet may park while it unwinds") {
    virtual_time time;
    bool cleaned = false;
    greenlet<> g([&] {
        try {
            to_parent();
        } catch (const greenlet_exit&) {
            tendril::sleep(1s);
            cleaned = true;
        }
    });
    g.switch_to();
    g = {};
    CHECK(cleaned);
    CHECK(time.passed() == 1s);
}

TEST_CASE_FIXTURE(clean_end, "a kill of the dropper is not thrown out of the drop") {
    virtual_time time;
    std::string order;
    auto dropper = spawn([&] {
        greenlet<> g([&] {
            try {
                to_parent();
            } catch (const greenlet_exit&) {
                tendril::sleep(2s);
                order += "cleaned ";
            }
        });
        g.switch_to();
        g = {};
        order += "dropped ";
        try {
            tendril::sleep(1s);
        } catch (const greenlet_exit&) {
            order += "killed";
            throw;
        }
    });
    tendril::sleep(1s);
    dropper.kill();
    tendril::sleep(5s);
    CHECK(dropper.done());
    CHECK(order == "dropped killedcleaned ");
    CHECK(reported.empty());
}

TEST_CASE_FIXTURE(clean_end, "a dropped greenlet's result goes nowhere") {
    greenlet<int> asker([&](int) {
        greenlet<int> g([](int) {
            try {
                greenlet<int>::current().parent().switch_to(0);
            } catch (const greenlet_exit&) {
            }
            return 5;
        });
        g.switch_to(0);
        g = {};
        return 6;
    });
    CHECK(asker.switch_to(0) == 6);
}

TEST_CASE_FIXTURE(clean_end,
                  "one that is dropped in a destructor's switch unwinds first") {
    struct switches_when_destroyed {
        std::string& order;

        ~switches_when_destroyed() {
            order += "in ";
            to_parent();
            order += "out ";
        }
    };

    std::string order;
    greenlet<> g([&] {
        try {
            const switches_when_destroyed s{order};
            throw std::runtime_error("unwinding");
        } catch (const std::runtime_error&) {
            order += "caught ";
        }
        to_parent();
        order += "never";
    });
    g.switch_to();
    CHECK(order == "in ");
    g = {};
    CHECK(order == "in out caught ");
}

TEST_CASE_FIXTURE(clean_end, "a fiber's result may hold a suspended greenlet") {
    bool unwound = false;
    std::vector<any_fiber> spawned_meanwhile;

    struct spawns_when_destroyed {
        bool& unwound;
        std::vector<any_fiber>& into;

        ~spawns_when_destroyed() {
            unwound = true;
            for (int i = 0; i < 3; ++i) into.push_back(spawn([] { tendril::yield(); }));
        }
    };

    // Not a child of the fiber's, which it would hold then.
    const auto main = greenlet<>::current();
    spawn([&] {
        auto me = greenlet<>::current();
        greenlet<> g(
            [&] {
                const spawns_when_destroyed s{unwound, spawned_meanwhile};
                me.switch_to();
            },
            main);
        g.switch_to();
        return g;
    });
    // The fiber's end drops its result, and that the greenlet.
    tendril::yield();
    CHECK(unwound);
    for (const auto& f : spawned_meanwhile) f.join();
    CHECK(spawned_meanwhile.size() == 3);
}

TEST_SUITE_END();
