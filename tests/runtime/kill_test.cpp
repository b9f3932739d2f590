// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/fiber.hpp>
#include <tendril/runtime/hub.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>
#include <tendril/test/virtual_time.hpp>

#include <chrono>
#include <exception>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

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
                  "a parked fiber is unwound at once, before its killer goes on") {
    virtual_time time;
    std::string order;
    auto victim = spawn([&] {
        const at_end note{[&] { order += 'v'; }};
        tendril::sleep(1h);
        order += '-';
    });
    yield();
    victim.kill();
    order += 'k';
    CHECK(order == "vk");
    CHECK(victim.done());
    CHECK_THROWS_AS(victim.wait(), greenlet_exit);
    CHECK(hub::current().armed_timers() == 0);
    CHECK(time.passed() == 0s);
}

TEST_CASE_FIXTURE(clean_end, "the killer gets its turn after all that were ready") {
    std::string order;
    auto victim = spawn([&] {
        const at_end note{[&] { order += 'v'; }};
        tendril::sleep(1h);
    });
    yield();
    for (const char c : {'a', 'b', 'c'}) spawn([&order, c] { order += c; });
    victim.kill();
    order += 'k';
    CHECK(order == "vabck");
}

TEST_CASE_FIXTURE(clean_end, "any exception can be thrown in, and keeps its type") {
    auto sleeper = [] { tendril::sleep(forever); };
    auto a = spawn(sleeper), b = spawn(sleeper), c = spawn(sleeper);
    yield();
    a.kill(std::runtime_error("enough"));
    b.kill(7);
    c.kill(std::make_exception_ptr(std::string("text")));
    CHECK_THROWS_WITH_AS(a.wait(), "enough", std::runtime_error);
    CHECK_THROWS_AS(b.wait(), int);
    CHECK_THROWS_AS(c.wait(), std::string);
}

TEST_CASE_FIXTURE(clean_end,
                  "an unstarted fiber never runs, and who waits gets the exception") {
    auto victim = spawn([]() -> int {
        FAIL_CHECK("it must never run");
        return 1;
    });
    int caught = 0;
    auto waiter = spawn([&] {
        try {
            victim.wait();
        } catch (const std::runtime_error&) {
            ++caught;
        }
    });
    CHECK_NOTHROW(victim.kill(std::runtime_error("too late")));
    CHECK(victim.done());
    CHECK_NOTHROW(victim.kill());
    waiter.wait();
    CHECK(caught == 1);
    CHECK_THROWS_WITH_AS(victim.wait(), "too late", std::runtime_error);
}

TEST_CASE_FIXTURE(clean_end,
                  "what an unstarted fiber would have used is destroyed at once") {
    auto owned = std::make_shared<int>(1);
    const std::weak_ptr<int> alive = owned;
    auto now = spawn([](const std::shared_ptr<int>&) {}, std::move(owned));
    now.kill();
    CHECK(alive.expired());
    yield();
    owned = std::make_shared<int>(1);
    const std::weak_ptr<int> also = owned;
    auto later = spawn_after(1h, [owned = std::move(owned)] {});
    later.kill();
    CHECK(also.expired());
    CHECK(hub::current().armed_timers() == 0);
}

TEST_CASE_FIXTURE(clean_end, "a capture may kill its own unstarted fiber once more") {
    fiber<> victim;
    auto again = [&victim](int*) { victim.kill(std::runtime_error("again")); };
    int target = 0;
    victim = spawn([p = std::unique_ptr<int, decltype(again)>(&target, again)] {});
    victim.kill();
    CHECK_THROWS_AS(victim.wait(), greenlet_exit);
    yield();
}

TEST_CASE_FIXTURE(clean_end, "the current fiber's kill is a throw") {
    auto f = spawn([] {
        current().kill(std::runtime_error("myself"));
        FAIL_CHECK("it has been killed");
    });
    CHECK_THROWS_WITH_AS(f.wait(), "myself", std::runtime_error);
    CHECK_THROWS_AS(current().kill(), greenlet_exit);
}

TEST_CASE_FIXTURE(clean_end, "an ended fiber's kill changes nothing") {
    auto f = spawn([] { return 22; });
    f.join();
    f.kill();
    CHECK(f.wait() == 22);
    CHECK(f.exception() == nullptr);
}

TEST_CASE_FIXTURE(clean_end,
                  "a null exception_ptr is a bad argument, the victim unharmed") {
    auto f = spawn([] { return 1; });
    CHECK_THROWS_WITH_AS(f.kill(std::exception_ptr()),
                         "kill was given a null exception_ptr", fiber_error);
    CHECK_THROWS_WITH_AS(f.cancel(std::exception_ptr()),
                         "cancel was given a null exception_ptr", fiber_error);
    CHECK(f.wait() == 1);
}

TEST_CASE_FIXTURE(clean_end,
                  "a killed fiber may catch it and go on, and its killer gets a turn") {
    std::string states;
    auto f = spawn([&] {
        states += "start,";
        try {
            tendril::sleep(1h);
        } catch (const greenlet_exit&) {
            states += "except,";
        }
        tendril::sleep(0s);
        states += "finished,";
    });
    yield();
    CHECK(states == "start,");
    f.kill();
    CHECK(states == "start,except,");
    CHECK_FALSE(f.done());
    yield();
    CHECK(states == "start,except,finished,");
    CHECK_NOTHROW(f.wait());
}

TEST_CASE_FIXTURE(clean_end, "two kills are two throws, the oldest first") {
    std::string caught;
    auto f = spawn([&] {
        for (int i = 0; i < 2; ++i) {
            try {
                tendril::sleep(1h);
            } catch (const char c) {
                caught += c;
            }
        }
    });
    yield();
    // From a callback neither killer yields, so that both are on their way together.
    hub::current().call_soon([&] {
        f.kill('1');
        f.kill('2');
    });
    f.wait();
    CHECK(caught == "12");
}

TEST_CASE_FIXTURE(clean_end,
                  "a ready fiber keeps its place, and gets it when it runs") {
    std::string order;
    auto f = spawn([&] {
        try {
            yield();
            order += '-';
        } catch (const greenlet_exit&) {
            order += 'f';
        }
    });
    auto second = spawn([&] {
        yield();
        order += 'b';
    });
    yield();
    auto last = spawn([&] { order += 'a'; });
    f.kill();
    order += 'k';
    last.wait();
    CHECK(order == "kfba");
}

// -- cancel

TEST_CASE_FIXTURE(clean_end, "cancel ends only what has not started") {
    auto unstarted = spawn([] { return 22; });
    CHECK(unstarted.cancel());
    CHECK_FALSE(unstarted.cancel());
    CHECK_THROWS_AS(unstarted.wait(), greenlet_exit);
    auto started = spawn([] {
        yield();
        return 22;
    });
    yield();
    CHECK_FALSE(started.cancel());
    CHECK(started.wait() == 22);
    CHECK_FALSE(started.cancel());
    auto excused = spawn([] {});
    CHECK(excused.cancel(std::make_exception_ptr(7)));
    CHECK_THROWS_AS(excused.wait(), int);
    CHECK_FALSE(current().cancel());
    yield();
}

TEST_CASE_FIXTURE(clean_end,
                  "what a cancelled fiber leaves behind may park meanwhile") {
    struct parking {
        bool armed = true;

        parking() = default;

        parking(parking&& other) noexcept : armed(std::exchange(other.armed, false)) {}

        ~parking() {
            if (armed) yield(), yield();
        }
    };

    bool ran = false;
    std::optional<fiber<>> f = spawn([&ran, p = parking()] { ran = true; });
    // Which is the last handle.
    auto other = spawn([&] { f.reset(); });
    CHECK(f->cancel());
    CHECK_FALSE(f);
    other.wait();
    CHECK_FALSE(ran);
    yield();
}

TEST_SUITE_END();
