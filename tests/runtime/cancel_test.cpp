// cancel_test.cpp - cancel scopes: what they end, what they leave, who may.
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
#include <string>
#include <thread>
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

TEST_SUITE_BEGIN("runtime/cancel scope");

TEST_CASE_FIXTURE(clean_end, "a scope that nobody cancels is as if it were not there") {
    virtual_time time;
    cancel_scope scope;
    CHECK(scope.run([] {
        tendril::sleep(1h);
        return 7;
    }) == 7);
    CHECK_FALSE(scope.cancel_called());
    CHECK_FALSE(scope.cancelled_caught());
    CHECK(scope.deadline() == never);
    CHECK(cancel_scope().run([] {}));
    CHECK_THROWS_AS(cancel_scope().run([] { throw std::string("own"); }), std::string);
}

TEST_CASE_FIXTURE(clean_end, "cancelled, it ends the wait in it at once, and only it") {
    virtual_time time;
    cancel_scope scope;
    std::string order;
    auto f = spawn([&] {
        CHECK_FALSE(scope.run([&] {
            const at_end note{[&] { order += 'u'; }};
            tendril::sleep(1h);
            order += '-';
        }));
        order += 'o';
        tendril::sleep(1s);
        order += 's';
    });
    yield();
    scope.cancel();
    order += 'c';
    f.wait();
    CHECK(order == "cuos");
    CHECK(scope.cancel_called());
    CHECK(scope.cancelled_caught());
    CHECK(time.passed() == 1s);
}

TEST_CASE_FIXTURE(clean_end, "every further wait in it throws, whatever is caught") {
    virtual_time time;
    cancel_scope scope;
    int thrown = 0;
    hub::current().call_later(1s, [&] { scope.cancel(); });
    CHECK_FALSE(scope.run([&] {
        queue<int> empty;
        mutex m;
        const std::function<void()> waits[] = {
            [] { tendril::sleep(1h); },
            [] { yield(); },
            [&] { empty.get(); },
            [] { spawn([] {}).wait(); },
            [] { hub::current().switch_out(); },
        };
        for (const auto& wait : waits) {
            try {
                wait();
            } catch (const cancelled& c) {
                CHECK(c.from(scope));
                ++thrown;
            }
        }
        // What need not wait does not throw.
        empty.put(1);
        CHECK(empty.get() == 1);
        m.lock();
        m.unlock();
        yield();
    }));
    CHECK(thrown == 5);
    CHECK(time.passed() == 1s);
    yield();
}

TEST_CASE_FIXTURE(clean_end, "a deadline cancels, and can be moved") {
    virtual_time time;
    CHECK_FALSE(move_on_after(2s, [] { tendril::sleep(forever); }));
    CHECK(time.passed() == 2s);
    CHECK(move_on_after(2s, [] { return 5; }) == 5);
    CHECK(fail_after(1s, [] { return std::make_unique<int>(6); }) != nullptr);
    CHECK_THROWS_WITH_AS(fail_after(1500ms, [] { tendril::sleep(2s); }),
                         "not done within 1.500000 s", deadline_exceeded);
    CHECK(time.passed() == 3500ms);

    cancel_scope scope(1s);
    CHECK_FALSE(scope.run([&] {
        scope.set_deadline(scope.deadline() + 9s);
        CHECK(current_deadline() == scope.deadline());
        tendril::sleep(forever);
    }));
    CHECK(time.passed() == 13500ms);
    CHECK(current_deadline() == never);
    scope.set_deadline(hub::current().now());  // over: nothing happens
    tendril::sleep(1s);
}

TEST_CASE_FIXTURE(clean_end, "a time gone by ends it at its first wait") {
    virtual_time time;
    bool reached = false, passed = false;
    CHECK_FALSE(move_on_after(0s, [&] {
        reached = true;
        tendril::sleep(1s);
        passed = true;
    }));
    CHECK(reached);
    CHECK_FALSE(passed);
    CHECK(time.passed() == 0s);
    CHECK(move_on_after(0s, [] { return 3; }) == 3);  // never waited
}

TEST_CASE_FIXTURE(clean_end, "cancelled before it is entered, it is so inside") {
    cancel_scope scope;
    scope.cancel();
    CHECK_FALSE(scope.run([] { yield(); }));
    CHECK(scope.cancelled_caught());
}

TEST_CASE_FIXTURE(clean_end, "the outermost scope that is cancelled catches it") {
    virtual_time time;
    for (const bool at_once : {true, false}) {
        cancel_scope outer, inner;
        std::string order;
        auto f = spawn([&] {
            const bool done = outer.run([&] {
                const bool inner_done = inner.run([] { tendril::sleep(forever); });
                order += inner_done ? '?' : 'i';
                tendril::sleep(forever);
                order += '-';
            });
            order += done ? '?' : 'o';
        });
        yield();
        inner.cancel();
        if (!at_once) yield();
        outer.cancel();
        f.wait();
        CHECK(order == std::string(at_once ? "o" : "io"));
        CHECK(outer.cancelled_caught());
        CHECK(inner.cancelled_caught() == !at_once);
    }
}

TEST_CASE_FIXTURE(clean_end_of_threads, "other threads may cancel") {
    for (int round = 0; round < 50; ++round) {
        cancel_scope scope;
        std::jthread other([&] { scope.cancel(); });
        CHECK_FALSE(scope.run([] { tendril::sleep(forever); }));
        CHECK(scope.cancelled_caught());
    }
}

TEST_CASE_FIXTURE(clean_end,
                  "a grant on its way is received, and the next wait throws") {
    cancel_scope scope;
    queue<int> items;
    std::string order;
    auto f = spawn([&] {
        CHECK_FALSE(scope.run([&] {
            order += std::to_string(items.get());
            yield();
            order += '-';
        }));
    });
    yield();
    items.put(7);
    scope.cancel();
    f.wait();
    CHECK(order == "7");
}

TEST_CASE_FIXTURE(clean_end, "it is never thrown into an unwinding") {
    virtual_time time;
    cancel_scope scope;
    std::string order;
    auto f = spawn([&] {
        CHECK_FALSE(scope.run([&] {
            try {
                const at_end clean_up{[&] {
                    tendril::sleep(1s);
                    order += 'd';
                }};
                throw 7;
            } catch (int) {
                order += 'c';
            }
            yield();
            order += '-';
        }));
    });
    yield();
    scope.cancel();
    f.wait();
    CHECK(order == "dc");
    CHECK(time.passed() == 1s);
}

TEST_CASE_FIXTURE(clean_end, "kills and timeouts pass through, and are not swallowed") {
    virtual_time time;
    auto f = spawn([] { cancel_scope().run([] { tendril::sleep(forever); }); });
    yield();
    f.kill();
    CHECK_THROWS_AS(f.wait(), greenlet_exit);
    CHECK_FALSE(timeout::silent(
        1s, [] { move_on_after(2s, [] { tendril::sleep(forever); }); }));
    CHECK(time.passed() == 1s);
}

TEST_CASE_FIXTURE(clean_end, "run() in a scope that runs out ends everything in it") {
    virtual_time time;
    int unwound = 0;
    CHECK_FALSE(move_on_after(1s, [&] {
        run([&] {
            const at_end own{[&] { ++unwound; }};
            spawn([&] {
                const at_end others{[&] { ++unwound; }};
                tendril::sleep(forever);
            });
            tendril::sleep(forever);
        });
    }));
    CHECK(unwound == 2);
    CHECK(time.passed() == 1s);
}

TEST_CASE_FIXTURE(clean_end_of_threads,
                  "a scope may be cancelled when its fiber has gone") {
    cancel_scope scope;
    spawn([&] { scope.run([] {}); }).wait();
    spawn([] {}).wait();
    scope.cancel();
    std::thread([&] { scope.cancel(); }).join();
    CHECK(scope.cancel_called());
    CHECK_FALSE(scope.cancelled_caught());
}

// -- children

TEST_CASE_FIXTURE(clean_end, "misuse is an error that says what is wrong") {
    virtual_time time;
    cancel_scope scope;
    scope.run([&] {
        CHECK(errc_of([&] { scope.run([] {}); }) == errc::already_set);
        auto other = spawn([&] { scope.run([] {}); });
        CHECK(errc_of([&] { other.wait(); }) == errc::already_set);
    });
    CHECK_THROWS_WITH_AS(
        scope.run([] {}),
        doctest::Contains("a cancel scope was entered twice, by main fiber"),
        fiber_error);

    const std::function<void()> nothing;
    CHECK(errc_of([&] { cancel_scope().run(nothing); }) == errc::bad_argument);
    CHECK(errc_of([&] { shield(1s, nothing); }) == errc::bad_argument);
    const double nan = std::numeric_limits<double>::quiet_NaN();
    CHECK(errc_of([] { cancel_scope s(-1s); }) == errc::bad_argument);
    CHECK(errc_of([] { shield(-1s, [] {}); }) == errc::bad_argument);
    CHECK(errc_of([&] { move_on_after(std::chrono::duration<double>(nan), [] {}); }) ==
          errc::bad_argument);

    std::vector<std::optional<errc>> in_hub;
    hub::current().call_soon([&] {
        in_hub.push_back(errc_of([] { cancel_scope().run([] {}); }));
        in_hub.push_back(errc_of([] { shield(1s, [] {}); }));
    });
    tendril::sleep(1ms);
    CHECK(in_hub == std::vector<std::optional<errc>>(2, errc::in_hub));
}

TEST_CASE_FIXTURE(clean_end, "a generator that is left in its scope takes it along") {
    virtual_time time;
    cancel_scope scope;
    {
        generator<int> g([&](auto& yield) {
            scope.run([&] {
                yield(1);
                tendril::sleep(forever);
            });
            yield(2);
        });
        CHECK(g.next() == 1);
        // Its caller is not inside.
        scope.cancel();
        tendril::sleep(1s);
        CHECK(g.next() == 2);
    }
    CHECK(scope.cancelled_caught());
}

TEST_CASE_FIXTURE(clean_end, "a deadline that has passed is one at once") {
    virtual_time time;
    for (const bool moved : {false, true}) {
        cancel_scope scope(moved ? never : hub::current().now() - 1s);
        bool reached = false;
        CHECK_FALSE(scope.run([&] {
            if (moved) scope.set_deadline(hub::current().now());
            yield();
            reached = true;
        }));
        CHECK(scope.cancelled_caught());
        CHECK_FALSE(reached);
    }
}

TEST_CASE_FIXTURE(clean_end, "so it is when another fiber moves it") {
    virtual_time time;
    cancel_scope scope;
    auto f = spawn([&] { scope.run([] { tendril::sleep(1h); }); });
    yield();
    scope.set_deadline(hub::current().now());
    f.wait();
    CHECK(scope.cancelled_caught());
    CHECK(time.passed() == 0s);
}

TEST_CASE_FIXTURE(clean_end,
                  "a generator that waits does not hold up who is cancelled") {
    virtual_time time;
    generator<int> slow([](auto& yield) {
        tendril::sleep(1h);
        yield(1);
    });
    cancel_scope scope;
    CHECK_FALSE(scope.run([&] {
        scope.cancel();
        slow.next();
    }));
    CHECK(scope.cancelled_caught());
    CHECK(time.passed() == 0s);
}

TEST_CASE_FIXTURE(clean_end,
                  "uninterrupted is at home in callbacks, and does nothing") {
    event<errc> done;
    hub::current().call_soon([&] {
        done.send(errc_of([] {
                      const uninterrupted here;
                      fail_after(1s, [] {});
                  }).value());
    });
    CHECK(done.wait() == errc::in_hub);
}

TEST_SUITE_END();
