// generator_hub_test.cpp - generators among fibers, greenlets, kills and threads.
//
// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/cancel.hpp>
#include <tendril/runtime/generator.hpp>
#include <tendril/runtime/hub.hpp>
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

#include "../support/at_end.hpp"
#include "../support/clean_end.hpp"
#include "../support/errc_of.hpp"
#include "../support/other_thread.hpp"
#include <doctest/doctest.h>

using namespace std::chrono_literals;
using namespace tendril;
using test::clean_end;
using test::clean_end_of_threads;
using test::errc_of;
using test::virtual_time;

namespace {

void to_parent() {
    greenlet<>::current().parent().switch_to();
}

generator<int> slow_count(std::string& log) {
    return generator<int>([&log](auto& yield) {
        try {
            for (int i = 0;; ++i) {
                tendril::sleep(1h);
                yield(i);
            }
        } catch (const greenlet_exit&) {
            log += "exit ";
            throw;
        }
    });
}

}  // namespace

TEST_SUITE_BEGIN("runtime/generator and hub");

TEST_CASE_FIXTURE(clean_end,
                  "a body may park, and its caller waits and the others run") {
    virtual_time time;
    std::string order, log;
    auto other = spawn([&] {
        for (int i = 0; i < 2; ++i) {
            tendril::sleep(45min);
            order += 'o';
        }
    });
    {
        auto g = slow_count(log);
        CHECK(g.next() == 0);
        order += '0';
        CHECK(g.next() == 1);
        order += '1';
    }
    other.wait();
    CHECK(order == "o0o1");
    CHECK(log == "exit ");
    CHECK(time.passed() == 2h);
}

TEST_CASE_FIXTURE(clean_end, "values go to whoever asks, and not to the maker") {
    generator<int> g([](auto& yield) {
        for (int i = 0; i < 6; ++i) yield(i);
    });
    std::vector<int> a, b;
    auto take = [&g](std::vector<int>& into) {
        return spawn([&] {
            while (auto v = g.next()) {
                into.push_back(*v);
                tendril::yield();
            }
        });
    };
    auto fa = take(a), fb = take(b);
    fa.wait();
    fb.wait();
    CHECK(a == std::vector<int>{0, 2, 4});
    CHECK(b == std::vector<int>{1, 3, 5});
}

TEST_CASE_FIXTURE(clean_end,
                  "the end goes to whoever asked last, even a child of the body") {
    std::optional<int> past_end = 7;
    bool returned = false;
    greenlet<> child, main = greenlet<>::current();
    generator<int>* self = nullptr;
    generator<int> g([&](auto& yield) {
        // Its parent is the body's greenlet.
        child = greenlet<>([&] {
            past_end = self->next();
            returned = true;
            main.switch_to();
        });
        yield(1);
    });
    self = &g;
    CHECK(g.next() == 1);
    child.switch_to();
    CHECK(returned);
    CHECK(past_end == std::nullopt);
}

TEST_CASE_FIXTURE(clean_end, "a second caller is refused while the body is parked") {
    virtual_time time;
    std::string log;
    auto g = slow_count(log);
    auto first = spawn([&] { return g.next(); });
    tendril::yield();
    CHECK(errc_of([&] { g.next(); }) == errc::parked);
    CHECK(errc_of([&] { g.close(); }) == errc::parked);
    CHECK(first.wait() == 0);
}

TEST_CASE_FIXTURE(clean_end,
                  "the value of an interrupted next waits for the next one") {
    virtual_time time;
    std::string log;
    auto g = slow_count(log);
    CHECK(!timeout::silent(1min, [&] { g.next(); }));
    CHECK(errc_of([&] { g.next(); }) == errc::parked);
    // The body yields while nobody waits, and while its maker is away elsewhere.
    tendril::sleep(2h);
    CHECK(time.passed() == 2h + 1min);
    CHECK(g.next() == 0);
    CHECK(time.passed() == 2h + 1min);
    CHECK(g.next() == 1);
    CHECK(time.passed() == 3h + 1min);
}

TEST_CASE_FIXTURE(clean_end, "a body that ends while nobody waits keeps its error") {
    virtual_time time;
    generator<int> g([](auto&) {
        tendril::sleep(1h);
        throw std::runtime_error("late");
    });
    CHECK(!timeout::silent(1min, [&] { g.next(); }));
    tendril::sleep(2h);
    CHECK_THROWS_WITH_AS(g.next(), "late", std::runtime_error);
    CHECK(g.next() == std::nullopt);
    CHECK(reported.empty());
}

TEST_CASE_FIXTURE(clean_end, "one left in a next does not return into another switch") {
    virtual_time time;
    std::string log;
    auto g = slow_count(log);
    CHECK(!timeout::silent(1min, [&] { g.next(); }));
    // Away in a raw switch when the body yields: not to be resumed by that.
    greenlet<> sleeper([&] {
        tendril::sleep(3h);
        log += "slept ";
    });
    sleeper.switch_to();
    CHECK(log == "slept ");
    CHECK(g.next() == 0);
}

TEST_CASE_FIXTURE(clean_end, "a killed caller unwinds a body that is parked, at once") {
    virtual_time time;
    std::string log;
    auto f = spawn([&] {
        auto g = slow_count(log);
        g.next();
        log += "never";
    });
    tendril::yield();
    f.kill();
    tendril::yield();
    CHECK(f.done());
    CHECK(log == "exit ");
    CHECK(time.passed() == 0s);
}

TEST_CASE_FIXTURE(clean_end, "a body killed by its generator's end may park and fail") {
    virtual_time time;
    auto f = spawn([&] {
        generator<int> g([](auto&) {
            try {
                tendril::sleep(1h);
            } catch (const greenlet_exit&) {
                tendril::sleep(1s);
                throw std::runtime_error("in the clean-up");
            }
        });
        g.next();
    });
    tendril::yield();
    f.kill();
    tendril::sleep(2s);
    REQUIRE(reported.size() == 1);
    CHECK(reported[0] ==
          "a generator that was dropped: std::runtime_error: in the clean-up");
    reported.clear();
}

TEST_CASE_FIXTURE(clean_end, "a value yielded to a caller already killed is not lost") {
    any_fiber body;
    generator<int> g([&](auto& yield) {
        body = tendril::current();
        try {
            tendril::sleep(forever);
        } catch (const greenlet_exit&) {
            yield(7);
        }
    });
    any_fiber caller = spawn([&] { g.next(); });
    tendril::yield();
    // Who is killed last comes first: the caller stands in line when the body yields.
    hub::current().call_soon([&] {
        caller.kill();
        body.kill();
    });
    tendril::yield();
    tendril::yield();
    CHECK(caller.done());
    CHECK(g.next() == 7);
    CHECK(g.next() == std::nullopt);
}

TEST_CASE_FIXTURE(clean_end,
                  "a body that parks under a hub callback is an error there") {
    virtual_time time;
    std::string log;
    std::optional<errc> code;
    auto g = slow_count(log);
    generator<int> quick([](auto& yield) { yield(5); });
    hub::current().call_soon([&] {
        CHECK(quick.next() == 5);
        code = errc_of([&] { g.next(); });
    });
    tendril::sleep(1s);
    CHECK(code == errc::in_hub);
    tendril::sleep(2h);
    CHECK(g.next() == 0);
}

TEST_CASE_FIXTURE(clean_end, "a caller that waits for a value cannot be switched to") {
    virtual_time time;
    std::string log;
    auto g = slow_count(log);
    auto me = greenlet<>::current();
    std::string told;
    spawn([&, me]() mutable {
        try {
            me.switch_to();
        } catch (const fiber_error& e) {
            told = e.what();
        }
    });
    CHECK(g.next() == 0);
    CHECK(told.find("it waits for a generator") != std::string::npos);
}

TEST_CASE_FIXTURE(clean_end, "a greenlet that holds a generator can still be dropped") {
    std::string log;
    for (const bool exhausted : {false, true}) {
        greenlet<> g([&] {
            generator<int> numbers([&](auto& yield) { yield(1); });
            numbers.next();
            if (exhausted) numbers.next();
            try {
                to_parent();
            } catch (const greenlet_exit&) {
                log += "unwound ";
                throw;
            }
        });
        g.switch_to();
    }
    CHECK(log == "unwound unwound ");
}

TEST_CASE_FIXTURE(clean_end_of_threads,
                  "a generator's own thread is the only one to resume it") {
    virtual_time time;
    std::string log;
    auto g = std::make_unique<generator<int>>([&](auto& yield) {
        try {
            yield(1);
        } catch (const greenlet_exit&) {
            log += "exit";
            throw;
        }
    });
    g->next();
    std::optional<errc> code;
    std::thread([&] {
        code = errc_of([&] { g->next(); });
        g.reset();
    }).join();
    CHECK(code == errc::wrong_thread);
    CHECK(log == "");
    tendril::sleep(1s);
    CHECK(log == "exit");
    // One whose thread has ended is over.
    std::thread([&] {
        g = std::make_unique<generator<int>>([&](auto& yield) { yield(1); });
        g->next();
    }).join();
    CHECK(errc_of([&] { g->next(); }) == errc::thread_exited);
    g.reset();
}

TEST_CASE_FIXTURE(clean_end_of_threads,
                  "a body that will not end is reported, and ends with the thread") {
    std::thread([] {
        generator<int> g([n = 0](auto& yield) mutable {
            while (n < 2) {
                try {
                    yield(1);
                } catch (const greenlet_exit&) {
                    ++n;
                }
            }
        });
        g.next();
    }).join();
    REQUIRE(reported.size() == 1);
    CHECK(reported[0].find("greenlet_exit did not end greenlet ") != std::string::npos);
    reported.clear();
}

TEST_CASE_FIXTURE(clean_end, "a kill of who closes a generator is his own") {
    bool went_on = false;
    bool unwound = false;
    auto f = spawn([&] {
        generator<int> g([&](auto& yield) {
            const test::at_end note{[&] { unwound = true; }};
            for (int i = 0;; ++i) yield(i);
        });
        g.next();
        {
            const uninterrupted here;
            yield();  // it is killed here
        }
        g.close();
        went_on = true;
    });
    yield();
    f.kill();
    CHECK_THROWS_AS(f.wait(), greenlet_exit);
    CHECK_FALSE(went_on);
    CHECK(unwound);
}

TEST_CASE_FIXTURE(clean_end, "a value that was not sent is not there later") {
    virtual_time time;
    generator<int, int> echo([](auto& yield) {
        for (;;) {
            const auto sent = yield(0);
            yield(sent ? *sent : -1);
        }
    });
    echo.next();
    cancel_scope scope;
    CHECK_FALSE(scope.run([&] {
        scope.cancel();
        echo.send(7);
    }));
    CHECK(echo.next() == -1);
}

TEST_CASE_FIXTURE(clean_end, "a kill of who closes one is no end of the body") {
    cancel_scope goodbye;
    bool went_on = false;
    auto f = spawn([&] {
        generator<int> g([&](auto& yield) {
            try {
                yield(1);
            } catch (const greenlet_exit&) {
                goodbye.run([] { tendril::sleep(1h); });
            }
        });
        g.next();
        g.close();
        went_on = true;
    });
    tendril::yield();
    // The body is ready before its caller then, and over when that is killed.
    hub::current().call_soon([&] {
        f.kill();
        goodbye.cancel();
    });
    f.join();
    CHECK_FALSE(went_on);
    CHECK_THROWS_AS(f.wait(), greenlet_exit);
}

TEST_SUITE_END();
