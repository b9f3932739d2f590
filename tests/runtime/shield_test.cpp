// shield_test.cpp - what cancel scopes reach, and what not: children, and what is
// shielded.
//
// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/cancel.hpp>
#include <tendril/runtime/generator.hpp>
#include <tendril/runtime/hub.hpp>
#include <tendril/runtime/run.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>
#include <tendril/runtime/timeout.hpp>
#include <tendril/sync/event.hpp>
#include <tendril/sync/mutex.hpp>
#include <tendril/sync/queue.hpp>
#include <tendril/test/virtual_time.hpp>

#include <chrono>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "../support/at_end.hpp"
#include "../support/clean_end.hpp"
#include "../support/errc_of.hpp"
#include "../support/other_thread.hpp"
#include <doctest/doctest.h>

using namespace std::chrono_literals;
using namespace tendril;
using test::at_end;
using test::clean_end;
using test::clean_end_of_threads;
using test::errc_of;
using test::virtual_time;

TEST_SUITE_BEGIN("runtime/shield");

TEST_CASE_FIXTURE(clean_end, "a child inherits the deadline, and ends quietly by it") {
    virtual_time time;
    fiber<> child, grandchild, unhurried;
    bool cleaned = false;
    CHECK(move_on_after(2s, [&] {
        child = spawn([&] {
            const at_end note{[&] { cleaned = true; }};
            grandchild = spawn([] { tendril::sleep(forever); });
            for (;;) {
                try {
                    tendril::sleep(forever);
                } catch (const greenlet_exit&) {
                }
            }
        });
        unhurried = spawn([] { tendril::sleep(1s); });
    }));
    CHECK_THROWS_AS(child.wait(), cancelled);
    CHECK_THROWS_AS(grandchild.wait(), cancelled);
    unhurried.wait();
    CHECK(cleaned);
    CHECK(time.passed() == 2s);
}

TEST_CASE_FIXTURE(clean_end, "not the scope itself, nor a deadline behind a shield") {
    virtual_time time;
    fiber<> child, shielded;
    cancel_scope scope;
    scope.run([&] { child = spawn([] { tendril::sleep(1h); }); });
    scope.cancel();
    move_on_after(1s, [&] {
        shield(forever, [&] { shielded = spawn([] { tendril::sleep(1h); }); });
    });
    child.wait();
    shielded.wait();
    CHECK(time.passed() == 1h);
}

TEST_CASE_FIXTURE(clean_end, "an unstarted child whose time runs out never waits") {
    virtual_time time;
    fiber<> late;
    bool began = false;
    move_on_after(1s, [&] {
        late = spawn_after(2s, [&] {
            began = true;
            yield();
            began = false;
        });
    });
    CHECK_THROWS_AS(late.wait(), cancelled);
    CHECK(began);
    CHECK(time.passed() == 2s);
    move_on_after(1s, [&] { late = spawn_after(forever, [] {}); });
    late.kill();
    tendril::sleep(2s);
}

// -- shields

TEST_CASE_FIXTURE(clean_end, "a shield holds everything off until it is over") {
    virtual_time time;
    cancel_scope scope;
    std::string order;
    auto f = spawn([&] {
        timeout limit(2s);
        scope.run([&] {
            CHECK(shield(1h, [&] {
                      tendril::sleep(5s);
                      order += 's';
                      return 1;
                  }) == 1);
            order += 'o';
            yield();
            order += '-';
        });
    });
    yield();
    scope.cancel();
    f.kill();
    CHECK_THROWS_AS(f.wait(), greenlet_exit);
    CHECK(order == "so");
    CHECK(time.passed() == 5s);
}

TEST_CASE_FIXTURE(clean_end, "but no longer than its limit") {
    virtual_time time;
    cancel_scope scope;
    scope.cancel();
    CHECK_FALSE(scope.run([&] {
        CHECK_FALSE(shield(3s, [] { tendril::sleep(forever); }));
        CHECK(time.passed() == 3s);
        yield();
    }));
    CHECK(scope.cancelled_caught());
}

TEST_CASE_FIXTURE(clean_end, "what is inside a shield reaches what is inside") {
    virtual_time time;
    shield(1h, [&] {
        CHECK_FALSE(move_on_after(1s, [] { tendril::sleep(forever); }));
        CHECK_FALSE(timeout::silent(1s, [] { tendril::sleep(forever); }));
        cancel_scope inner;
        hub::current().call_later(1s, [&] { inner.cancel(); });
        CHECK_FALSE(inner.run([] { tendril::sleep(forever); }));
    });
    CHECK(time.passed() == 3s);
}

TEST_CASE_FIXTURE(clean_end,
                  "a shield without a limit in a cancelled scope is refused") {
    cancel_scope scope;
    scope.cancel();
    scope.run([] {
        CHECK(errc_of([] { shield(forever, [] {}); }) == errc::bad_argument);
        CHECK(shield(1s, [] { return 1; }) == 1);
    });
    CHECK(shield(forever, [] { return 2; }) == 2);
}

TEST_CASE_FIXTURE(clean_end, "a noexcept destructor that says so is not interrupted") {
    virtual_time time;

    struct polite {
        ~polite() {
            const uninterrupted here;
            tendril::sleep(1s);
            said = true;
        }

        bool& said;
    };

    for (const bool by_kill : {true, false}) {
        bool said = false, after = false;
        cancel_scope scope;
        auto f = spawn([&] {
            scope.run([&] {
                { const polite goodbye{said}; }
                yield();
                after = true;
            });
        });
        yield();
        by_kill ? f.kill() : scope.cancel();
        f.join();
        CHECK(said);
        CHECK_FALSE(after);
    }
}

// -- misuse

namespace {

// What the exception hook was told, if it is one thing.
std::string only(std::vector<std::string>& reported) {
    REQUIRE(reported.size() == 1);
    return std::exchange(reported, {}).front();
}

const std::string told = "the end of a scope: tendril::fiber_error: ";
const std::string advice = "; scopes are for local variables";

}  // namespace

TEST_CASE_FIXTURE(clean_end,
                  "a shield that is left by another fiber is told and left") {
    virtual_time time;
    std::optional<uninterrupted> stray;
    bool killed = false;
    auto f = spawn({.name = "owner"}, [&] {
        stray.emplace();
        try {
            tendril::sleep(1h);
        } catch (const greenlet_exit&) {
            killed = true;
            throw;
        }
    });
    yield();
    f.kill();
    CHECK_FALSE(killed);
    stray.reset();
    const std::string text = only(reported);
    CHECK(text.find(told + "a shield of fiber " + std::to_string(f.id()) +
                    " 'owner' (made at ") == 0);
    CHECK(text.find("was left by main fiber " + std::to_string(current().id()) +
                    advice) != std::string::npos);
    // What it held off comes.
    f.join();
    CHECK(killed);
    CHECK(time.passed() == 0s);
}

TEST_CASE_FIXTURE(clean_end, "one that is left out of order is told and left") {
    virtual_time time;
    std::optional<uninterrupted> stray;
    cancel_scope scope;
    scope.run([&] { stray.emplace(); });
    const std::string me = std::to_string(current().id());
    CHECK(only(reported) == told + "a cancel scope of main fiber " + me +
                                " was left before what is inside it" + advice);
    // The shield still holds.
    {
        cancel_scope late(1s);
        CHECK_FALSE(late.run([&] {
            stray.reset();
            tendril::sleep(2s);
        }));
    }
    CHECK(only(reported) == told + "a shield of main fiber " + me +
                                " was left before what is inside it" + advice);
    CHECK(time.passed() == 1s);
    CHECK_FALSE(move_on_after(1s, [] { tendril::sleep(2s); }));
}

TEST_CASE_FIXTURE(clean_end, "a fiber that ends in a scope is told of") {
    virtual_time time;
    std::optional<uninterrupted> stray;
    std::optional<timeout> limit;
    for (const bool shield : {true, false}) {
        auto f =
            spawn([&] { shield ? (void)stray.emplace() : (void)limit.emplace(1s); });
        f.join();
        CHECK(only(reported).find(" has ended in a scope that it had not left") !=
              std::string::npos);
        f = {};
        // Its stack is another one's meanwhile, which is not thrown at.
        spawn([] { tendril::sleep(2s); }).wait();
        stray.reset();
        limit.reset();
        CHECK(reported.empty());
    }
    yield();
}

TEST_CASE_FIXTURE(clean_end, "a timeout that another fiber destroys is told of") {
    virtual_time time;
    std::optional<timeout> limit;
    auto f = spawn([&] {
        limit.emplace(1s);
        tendril::sleep(2s);
    });
    yield();
    limit.reset();
    CHECK(only(reported).find(told + "a timeout of fiber ") == 0);
    CHECK_NOTHROW(f.wait());
    CHECK(time.passed() == 2s);
}

TEST_CASE_FIXTURE(clean_end, "a generator leaves its own scopes out of turn") {
    virtual_time time;
    generator<int> g([](auto& yield) {
        const uninterrupted here;
        const timeout limit(1h);
        yield(1);
    });
    g.next();
    CHECK(move_on_after(1s, [&] { g.close(); }));
    CHECK(reported.empty());
}

TEST_SUITE_END();
