// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/cancel.hpp>
#include <tendril/runtime/error.hpp>
#include <tendril/runtime/fiber.hpp>
#include <tendril/runtime/hub.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>
#include <tendril/sync/interval.hpp>
#include <tendril/test/virtual_time.hpp>

#include <chrono>
#include <memory>
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

namespace {

using milliseconds = std::chrono::milliseconds;

// Notes when it is called, in virtual time, and takes as long as the k-th call is to.
struct notes : clean_end {
    virtual_time time;
    std::vector<milliseconds> at;
    std::vector<milliseconds> takes;

    interval::callback note() {
        return [this] {
            at.push_back(std::chrono::duration_cast<milliseconds>(time.passed()));
            if (at.size() <= takes.size()) tendril::sleep(takes[at.size() - 1]);
        };
    }
};

}  // namespace

TEST_SUITE_BEGIN("sync/interval");

TEST_CASE_FIXTURE(notes, "calls come at multiples of the period whatever they take") {
    takes = {300ms, 900ms, 0ms, 1000ms};
    {
        const interval every("tick", 1s, note());
        CHECK(at.empty());
        tendril::sleep(5500ms);
    }
    tendril::sleep(5s);
    CHECK(at == std::vector{1000ms, 2000ms, 3000ms, 4000ms, 5000ms});
}

TEST_CASE_FIXTURE(notes, "the first call comes after a delay of its own") {
    const interval soon("soon", 1s, {.first_delay = 0s}, note());
    tendril::sleep(1500ms);
    CHECK(at == std::vector{0ms, 1000ms});
    at.clear();
    const interval late("late", 0.5s, {.first_delay = 2s}, note());
    tendril::sleep(600ms);
    CHECK(at == std::vector{2000ms});
}

TEST_CASE_FIXTURE(notes, "skip goes on at the next multiple") {
    takes = {2500ms};
    const interval every("tick", 1s, note());
    tendril::sleep(6500ms);
    CHECK(at == std::vector{1000ms, 4000ms, 5000ms, 6000ms});
}

TEST_CASE_FIXTURE(notes, "skip loses nothing of a multiple that has just come") {
    takes = {2000ms};
    const interval every("tick", 1s, note());
    tendril::sleep(4500ms);
    CHECK(at == std::vector{1000ms, 3000ms, 4000ms});
}

TEST_CASE_FIXTURE(notes, "burst makes up for what was missed") {
    takes = {2500ms};
    const interval every("tick", 1s, {.missed = missed_ticks::burst}, note());
    tendril::sleep(5500ms);
    CHECK(at == std::vector{1000ms, 3500ms, 3500ms, 4000ms, 5000ms});
}

TEST_CASE_FIXTURE(notes, "delay counts anew from the end of the late call") {
    takes = {2500ms, 100ms};
    const interval every("tick", 1s, {.missed = missed_ticks::delay}, note());
    tendril::sleep(7s);
    CHECK(at == std::vector{1000ms, 4500ms, 5500ms, 6500ms});
}

TEST_CASE_FIXTURE(notes, "stop ends a call that waits and no other comes") {
    takes = {1h};
    std::string end;
    interval every("tick", 1s, [&, call = note()]() mutable {
        try {
            call();
        } catch (const greenlet_exit&) {
            end = "killed";
            throw;
        }
    });
    tendril::sleep(1500ms);
    CHECK_FALSE(every.done());
    every.stop();
    CHECK(every.done());
    CHECK(end == "killed");
    every.stop();
    tendril::sleep(5s);
    CHECK(at == std::vector{1000ms});
}

TEST_CASE_FIXTURE(notes, "stop has waited for a call that cleans up") {
    bool clean = false;
    {
        const interval every("tick", 1s, [&] {
            try {
                tendril::sleep(forever);
            } catch (const greenlet_exit&) {
                tendril::sleep(10s);
                clean = true;
            }
        });
        tendril::sleep(1s);
        yield();
    }
    CHECK(clean);
    CHECK(time.passed() == 11s);
}

TEST_CASE_FIXTURE(notes, "a call that stops its own interval goes on to its end") {
    std::optional<interval> every;
    int ended = 0;
    every.emplace("tick", 1s, [&] {
        every->stop();
        tendril::sleep(1s);
        ++ended;
    });
    tendril::sleep(10s);
    CHECK(ended == 1);
    CHECK(every->done());
    // Or destroys it.
    every.emplace("tick", 1s, [&] {
        every.reset();
        tendril::sleep(1s);
        ++ended;
    });
    tendril::sleep(10s);
    CHECK(ended == 2);
}

TEST_CASE_FIXTURE(notes, "what a call throws is told and the next one comes") {
    int calls = 0;
    const interval every("moody", 1s, [&] {
        if (++calls == 2) throw std::runtime_error("not today");
    });
    tendril::sleep(3500ms);
    CHECK(calls == 3);
    REQUIRE(reported.size() == 1);
    CHECK(reported[0] == "interval 'moody': std::runtime_error: not today");
    reported.clear();
}

TEST_CASE_FIXTURE(notes, "greenlet_exit and a deadline around it end it quietly") {
    int calls = 0;
    const interval once("once", 1s, [&] {
        ++calls;
        throw greenlet_exit{};
    });
    tendril::sleep(5s);
    CHECK(calls == 1);
    CHECK(once.done());

    std::optional<interval> inside;
    move_on_after(2500ms, [&] { inside.emplace("inside", 1s, [&] { ++calls; }); });
    tendril::sleep(5s);
    CHECK(calls == 3);
    CHECK(inside->done());
}

TEST_CASE_FIXTURE(notes, "a fiber of that name makes the calls") {
    std::string name;
    const interval every("by name", 1s, [&] { name = current().name(); });
    tendril::sleep(1500ms);
    CHECK(name == "by name");
}

TEST_CASE_FIXTURE(clean_end, "an impossible interval is an error at once") {
    const auto nothing = [] {};
    CHECK(errc_of([&] { const interval i("i", 0s, nothing); }) == errc::bad_argument);
    CHECK(errc_of([&] { const interval i("i", -1s, nothing); }) == errc::bad_argument);
    CHECK(errc_of([&] { const interval i("i", 1s, {.first_delay = -1s}, nothing); }) ==
          errc::bad_argument);
    CHECK(errc_of([&] { const interval i("i", 1s, {}); }) == errc::bad_argument);
}

TEST_SUITE_END();
