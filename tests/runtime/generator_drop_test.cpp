// generator_drop_test.cpp - the generator object goes while its body is somewhere.
//
// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/generator.hpp>
#include <tendril/runtime/hub.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>
#include <tendril/runtime/timeout.hpp>
#include <tendril/test/virtual_time.hpp>

#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "../support/at_end.hpp"
#include "../support/clean_end.hpp"
#include "../support/other_thread.hpp"
#include <doctest/doctest.h>

using namespace std::chrono_literals;
using namespace tendril;
using test::at_end;
using test::clean_end;
using test::clean_end_of_threads;
using test::virtual_time;

namespace {

// Its body is parked for an hour: the caller of next() has run out of time.
generator<int> parked_in_its_body(std::string& log) {
    generator<int> g([&log](auto& yield) {
        try {
            tendril::sleep(1h);
            yield(1);
        } catch (const greenlet_exit&) {
            log += "exit";
            throw;
        }
    });
    CHECK_FALSE(timeout::silent(1s, [&] { g.next(); }));
    return g;
}

}  // namespace

TEST_SUITE_BEGIN("runtime/generator dropped");

TEST_CASE_FIXTURE(clean_end, "a parked body ends when its generator goes") {
    virtual_time time;
    std::string log;
    { const auto g = parked_in_its_body(log); }
    yield();
    CHECK(log == "exit");
    CHECK(time.passed() == 1s);
}

TEST_CASE_FIXTURE(clean_end_of_threads, "also when it goes on another thread") {
    virtual_time time;
    std::string log;
    auto g = std::make_unique<generator<int>>(parked_in_its_body(log));
    std::thread([&] { g.reset(); }).join();
    tendril::sleep(1s);
    CHECK(log == "exit");
}

TEST_CASE_FIXTURE(clean_end_of_threads, "a suspended one, too") {
    virtual_time time;
    std::string log;
    auto g = std::make_unique<generator<int>>([&log](auto& yield) {
        try {
            yield(1);
        } catch (const greenlet_exit&) {
            log += "exit";
            throw;
        }
    });
    CHECK(g->next() == 1);
    std::thread([&] { g.reset(); }).join();
    tendril::sleep(1s);
    CHECK(log == "exit");
}

TEST_CASE_FIXTURE(clean_end, "a parked body that yields on is ended by a second exit") {
    virtual_time time;
    hub& h = hub::current();
    const std::size_t before = h.live_fibers();
    auto g = std::make_unique<generator<int>>([](auto& yield) {
        try {
            tendril::sleep(1h);
        } catch (const greenlet_exit&) {
        }
        // Only the second exit ends it.
        yield(1);
    });
    CHECK_FALSE(timeout::silent(1s, [&] { g->next(); }));
    g.reset();
    yield();
    CHECK(h.live_fibers() == before);
}

TEST_CASE_FIXTURE(clean_end,
                  "whoever drops it goes on, also if somebody waits in next") {
    virtual_time time;
    for (const bool left_by_hand : {true, false}) {
        auto g = std::make_unique<generator<int>>([&](auto& yield) {
            left_by_hand ? hub::current().switch_out() : tendril::sleep(1h);
            yield(1);
        });
        bool told = false;
        auto caller = spawn([&] {
            try {
                g->next();
            } catch (const greenlet_exit&) {
                told = true;
            }
        });
        yield();
        g.reset();
        caller.wait();
        CHECK(told);
    }
    CHECK(time.passed() == 0s);
}

TEST_CASE_FIXTURE(clean_end_of_threads, "nor if that is on another thread") {
    virtual_time time;
    auto g = std::make_unique<generator<int>>([](auto& yield) {
        tendril::sleep(1h);
        yield(1);
    });
    auto caller = spawn([&] { g->next(); });
    yield();
    std::thread([&] { g.reset(); }).join();
    CHECK_THROWS_AS(caller.wait(), greenlet_exit);
    // The body's stack is free, and only once.
    CHECK(hub::current().stacks_in_use() == 1);
    auto first = spawn([] {});
    auto second = spawn([] {});
    CHECK(hub::current().stacks_in_use() == 3);
    first.wait();
    second.wait();
}

TEST_CASE_FIXTURE(clean_end_of_threads, "its clean-up may park, and is not cut short") {
    virtual_time time;
    for (const bool by_callback : {true, false}) {
        std::string log;
        auto g = std::make_unique<generator<int>>([&log](auto& yield) {
            try {
                yield(1);
            } catch (const greenlet_exit&) {
                log += "begin ";
                tendril::sleep(1ms);
                log += "end";
                throw;
            }
        });
        CHECK(g->next() == 1);
        if (by_callback) {
            hub::current().call_soon([&] { g.reset(); });
        } else {
            std::thread([&] { g.reset(); }).join();
        }
        tendril::sleep(1s);
        CHECK(log == "begin end");
    }
}

TEST_CASE_FIXTURE(clean_end, "a body that holds a handle to itself ends as well") {
    virtual_time time;
    bool ended = false;
    auto g = std::make_unique<generator<int>>([&](auto& yield) {
        const any_fiber self = current();
        try {
            tendril::sleep(1h);
            yield(1);
        } catch (const greenlet_exit&) {
            ended = true;
            throw;
        }
    });
    CHECK_FALSE(timeout::silent(1s, [&] { g->next(); }));
    g.reset();
    yield();
    CHECK(ended);
}

TEST_CASE_FIXTURE(clean_end, "one that ends another one meanwhile is not given up") {
    virtual_time time;
    generator<int> inner([](auto& yield) {
        try {
            yield(1);
        } catch (const greenlet_exit&) {
            tendril::sleep(1s);
            throw;
        }
    });
    CHECK(inner.next() == 1);
    bool unwound = false;
    auto outer = std::make_unique<generator<int>>([&](auto& yield) {
        const at_end note{[&] {
            { const generator<int> last = std::move(inner); }
            unwound = true;
        }};
        yield(1);
    });
    CHECK(outer->next() == 1);
    CHECK_FALSE(timeout::silent(500ms, [&] {
        outer.reset();
        tendril::sleep(1ns);
    }));
    tendril::sleep(2s);
    CHECK(unwound);
}

TEST_SUITE_END();
