// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/hub.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>
#include <tendril/runtime/timeout.hpp>
#include <tendril/test/virtual_time.hpp>

#include <chrono>
#include <limits>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>

#include "../support/clean_end.hpp"
#include <doctest/doctest.h>

using namespace std::chrono_literals;
using namespace tendril;
using test::clean_end;
using test::virtual_time;

TEST_SUITE_BEGIN("runtime/timeout");

TEST_CASE_FIXTURE(clean_end, "a scope throws when its time is up, and says it was it") {
    virtual_time time;
    timeout outer(1h);
    bool from_inner = false, from_outer = true;
    try {
        timeout limit(2s);
        CHECK(limit.pending());
        try {
            tendril::sleep(3s);
        } catch (const timed_out& e) {
            CHECK(limit.expired());
            CHECK_FALSE(limit.pending());
            from_inner = e.from(limit);
            from_outer = e.from(outer);
            throw;
        }
        FAIL_CHECK("the body must not reach its end");
    } catch (const timed_out&) {
    }
    CHECK(time.passed() == 2s);
    CHECK(from_inner);
    CHECK_FALSE(from_outer);
    CHECK(outer.pending());
}

TEST_CASE_FIXTURE(clean_end, "main can be timed out without run()") {
    virtual_time time;
    CHECK_FALSE(timeout::silent(1s, [] { tendril::sleep(forever); }));
    CHECK(time.passed() == 1s);
}

TEST_CASE_FIXTURE(clean_end, "a silent scope around twice its time returns in time") {
    virtual_time time;
    const duration d = 10ms;
    CHECK_FALSE(timeout::silent(d, [&] { tendril::sleep(2 * d); }));
    CHECK(time.passed() == d);
    CHECK(timeout::silent(2 * d, [&] { tendril::sleep(d); }));
    CHECK(time.passed() == 2 * d);
}

TEST_CASE_FIXTURE(clean_end,
                  "nested silent scopes, the inner first: the outer stays armed") {
    virtual_time time;
    std::string order;
    CHECK_FALSE(timeout::silent(20ms, [&] {
        CHECK_FALSE(timeout::silent(10ms, [&] {
            tendril::sleep(30ms);
            order += "inner end,";
        }));
        order += "between,";
        CHECK(time.passed() == 10ms);
        CHECK(hub::current().armed_timers() == 1);
        tendril::sleep(30ms);
        order += "outer end";
    }));
    CHECK(order == "between,");
    CHECK(time.passed() == 20ms);
}

TEST_CASE_FIXTURE(clean_end,
                  "nested silent scopes, the outer first: the inner lets it pass") {
    virtual_time time;
    std::string order;
    CHECK_FALSE(timeout::silent(10ms, [&] {
        timeout::silent(20ms, [&] {
            tendril::sleep(30ms);
            order += "inner end,";
        });
        order += "outer end";
    }));
    CHECK(order.empty());
    CHECK(time.passed() == 10ms);
    CHECK(hub::current().armed_timers() == 0);
}

TEST_CASE_FIXTURE(clean_end,
                  "the outer scope's exception passes an inner fallback value") {
    virtual_time time;
    bool outer_fired = false;
    timeout outer(1s);
    try {
        with_timeout(
            2s,
            [] {
                tendril::sleep(3s);
                return 1;
            },
            7);
        FAIL_CHECK("the outer scope ran out");
    } catch (const timed_out& e) {
        outer_fired = e.from(outer);
    }
    CHECK(outer_fired);
    CHECK(time.passed() == 1s);
}

TEST_CASE_FIXTURE(clean_end,
                  "with_timeout is the value, or nothing, or the other value") {
    virtual_time time;
    auto slow = [] {
        tendril::sleep(2s);
        return std::string("value");
    };
    CHECK(with_timeout(3s, slow) == std::optional<std::string>("value"));
    CHECK(with_timeout(1s, slow) == std::nullopt);
    CHECK(with_timeout(3s, slow, "other") == "value");
    CHECK(with_timeout(1s, slow, "other") == "other");
    CHECK(*with_timeout(1s, [] { return std::make_unique<int>(3); }).value() == 3);
    CHECK_THROWS_AS(with_timeout(1s, []() -> int { throw 1; }), int);
}

TEST_CASE_FIXTURE(clean_end, "cancelled inside its scope, it never fires") {
    virtual_time time;
    timeout limit(1s);
    limit.cancel();
    CHECK_FALSE(limit.pending());
    tendril::sleep(2s);
    CHECK_FALSE(limit.expired());
    limit.cancel();
}

TEST_CASE_FIXTURE(clean_end,
                  "an error of one's own is thrown instead, and goes with the scope") {
    virtual_time time;

    struct too_slow {
        std::shared_ptr<int> part;
    };

    auto part = std::make_shared<int>(1);
    const std::weak_ptr<int> alive = part;
    bool caught = false;
    {
        timeout limit(1s, too_slow{std::move(part)});
        try {
            tendril::sleep(2s);
        } catch (const too_slow& e) {
            caught = *e.part == 1;
        }
        CHECK_FALSE(alive.expired());
    }
    CHECK(caught);
    CHECK(alive.expired());
}

TEST_CASE_FIXTURE(clean_end, "a scope fires once") {
    virtual_time time;
    timeout limit(1s);
    CHECK_THROWS_AS(tendril::sleep(2s), timed_out);
    CHECK_NOTHROW(tendril::sleep(5s));
    CHECK(time.passed() == 6s);
}

TEST_CASE_FIXTURE(clean_end, "zero is up at the first park, forever never") {
    virtual_time time;
    CHECK_FALSE(timeout::silent(0s, [] { tendril::sleep(1h); }));
    CHECK(time.passed() == 0s);
    timeout never_fires(forever);
    CHECK_FALSE(never_fires.pending());
    tendril::sleep(24'000h);
    CHECK_FALSE(never_fires.expired());
}

TEST_CASE_FIXTURE(clean_end,
                  "a body that never parks is not interrupted though its time is up") {
    bool at_its_end = false;
    CHECK(timeout::silent(1ns, [&] {
        const time_point begin = clock::now();
        while (clock::now() - begin < 1us) continue;
        at_its_end = true;
    }));
    CHECK(at_its_end);
    // Nor does what it has missed come later.
    CHECK(hub::current().armed_timers() == 0);
    CHECK_NOTHROW(yield());
}

TEST_CASE_FIXTURE(clean_end,
                  "cancelled after its time and before a park it never fires") {
    timeout limit(1ns);
    const time_point begin = clock::now();
    while (clock::now() - begin < 1us) continue;
    CHECK_FALSE(limit.expired());
    limit.cancel();
    CHECK_NOTHROW(yield());
    CHECK_FALSE(limit.expired());
}

TEST_CASE_FIXTURE(clean_end,
                  "one that is up while its fiber is ready is thrown when it runs") {
    virtual_time time;
    auto gate = spawn_after(forever, [] {});
    // Fires first, since it was armed first.
    hub::current().call_later(1s, [&] { gate.cancel(); });
    bool thrown = false;
    auto f = spawn([&] {
        timeout limit(1s);
        try {
            gate.join();
        } catch (const timed_out&) {
            thrown = gate.done();
        }
    });
    f.wait();
    CHECK(thrown);
    CHECK(time.passed() == 1s);
}

TEST_CASE_FIXTURE(clean_end, "leaving the scope takes back an exception on its way") {
    virtual_time time;
    std::string order;
    fiber<> f;
    hub::current().call_later(1s, [&] { f.kill(1); });
    f = spawn([&] {
        {
            timeout limit(1s);
            try {
                tendril::sleep(forever);
            } catch (int) {
                order += "killed,";
                CHECK(limit.expired());
            }
        }
        yield();
        order += "end";
    });
    CHECK_NOTHROW(f.wait());
    CHECK(order == "killed,end");
}

TEST_CASE_FIXTURE(
    clean_end,
    "two that are up together are two throws, unless the first leaves both") {
    virtual_time time;
    int caught = 0;
    {
        timeout outer(1s), inner(1s);
        for (int i = 0; i < 2; ++i) {
            try {
                tendril::sleep(2s);
            } catch (const timed_out& e) {
                caught += e.from(i == 0 ? outer : inner) ? 1 : 0;
            }
        }
    }
    CHECK(caught == 2);
    CHECK(time.passed() == 1s);
    try {
        timeout outer(1s), inner(1s);
        tendril::sleep(2s);
    } catch (const timed_out&) {
        ++caught;
    }
    CHECK_NOTHROW(tendril::sleep(1s));
    CHECK(caught == 3);
}

TEST_CASE_FIXTURE(clean_end,
                  "durations nobody can mean are errors, with every kind of scope") {
    const double nan = std::numeric_limits<double>::quiet_NaN();
    const std::exception_ptr mine = std::make_exception_ptr(1);
    using seconds = std::chrono::duration<double>;
    CHECK_THROWS_WITH_AS(timeout(-1ms), "a duration was given that is negative",
                         fiber_error);
    CHECK_THROWS_AS(timeout(-1ms, 7), fiber_error);
    CHECK_THROWS_AS(timeout(-1ms, mine), fiber_error);
    CHECK_THROWS_AS(timeout(seconds(nan), mine), fiber_error);
    CHECK_THROWS_AS(timeout::silent(seconds(nan), [] {}), fiber_error);
    CHECK_THROWS_AS(with_timeout(-1h, [] { return 1; }), fiber_error);
    CHECK(hub::current().armed_timers() == 0);
}

TEST_SUITE_END();
