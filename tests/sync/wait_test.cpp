// wait_test.cpp - what asyncio.wait, as_completed, wait_for and shield do, sentence by
// sentence; and race.
//
// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/cancel.hpp>
#include <tendril/runtime/error.hpp>
#include <tendril/runtime/hub.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>
#include <tendril/sync/as_completed.hpp>
#include <tendril/sync/race.hpp>
#include <tendril/sync/shield.hpp>
#include <tendril/sync/wait.hpp>
#include <tendril/sync/wait_for.hpp>
#include <tendril/test/virtual_time.hpp>

#include <chrono>
#include <stdexcept>
#include <string>
#include <utility>
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

int after(duration d, int result) {
    sleep(d);
    return result;
}

std::vector<fiber<int>> ending_after(const std::vector<duration>& times) {
    std::vector<fiber<int>> fibers;
    for (const duration d : times) {
        fibers.push_back(spawn([d, i = int(fibers.size())] { return after(d, i); }));
    }
    return fibers;
}

void end(const std::vector<fiber<int>>& fibers) {
    for (const auto& f : fibers) f.kill();
}

}  // namespace

TEST_SUITE_BEGIN("sync/wait");

TEST_CASE_FIXTURE(clean_end,
                  "wait tells who is done and who is pending in the order given") {
    const virtual_time from_here;
    const time_point begin = hub::current().now();
    const auto fibers = ending_after({3s, 1s, 2s});
    const auto first = wait(fibers, until::first_completed);
    CHECK(first.done == std::vector{fibers[1]});
    CHECK(first.pending == std::vector{fibers[0], fibers[2]});
    CHECK(hub::current().now() - begin == 1s);
    const auto two = wait(fibers, until::all_completed, 1s);
    CHECK(two.done == std::vector{fibers[1], fibers[2]});
    const auto all = wait(fibers);
    CHECK(all.done == fibers);
    CHECK(all.pending.empty());
    CHECK(hub::current().now() - begin == 3s);
}

TEST_CASE_FIXTURE(clean_end,
                  "wait throws nothing when the time is over and ends nobody") {
    const virtual_time from_here;
    const auto fibers = ending_after({5s, 6s});
    const auto none = wait(fibers, until::all_completed, 1s);
    CHECK(none.done.empty());
    CHECK(none.pending == fibers);
    auto waiting = spawn([&] { wait(fibers); });
    yield();
    waiting.kill();
    CHECK(waiting.done());
    CHECK(fibers[0].wait() == 0);
    CHECK(fibers[1].wait() == 1);
}

TEST_CASE_FIXTURE(clean_end, "the first exception ends a wait but kills are none") {
    const virtual_time from_here;
    auto killed = spawn([] { return after(1s, 0); });
    auto fails = spawn([]() -> int {
        sleep(2s);
        throw std::runtime_error("two");
    });
    auto slow = spawn([] { return after(3s, 3); });
    hub::current().call_later(500ms, [&] {
        detail::kill_here(*detail::fiber_access::core(killed),
                          std::make_exception_ptr(greenlet_exit{}));
    });
    const auto now = wait(std::vector{killed, fails, slow}, until::first_exception);
    CHECK(now.done == std::vector{killed, fails});
    CHECK(now.pending == std::vector{slow});
    slow.wait();
    const auto later = wait(std::vector{killed, slow}, until::first_exception);
    CHECK(later.pending.empty());
}

TEST_CASE_FIXTURE(clean_end, "wait for nobody is an error") {
    CHECK(errc_of([] { wait(std::vector<fiber<int>>()); }) == errc::bad_argument);
    CHECK(errc_of([] { wait(std::vector{fiber<int>()}); }) == errc::dead);
    any_fiber untyped = spawn([] {});
    CHECK(wait(std::vector{untyped}).done.size() == 1);
}

TEST_CASE_FIXTURE(clean_end, "as_completed gives the same handles as they end") {
    const virtual_time from_here;
    const auto fibers = ending_after({3s, 1s, 2s, 1s});
    std::vector<int> order;
    for (const auto& f : as_completed(fibers)) {
        CHECK(f.done());
        order.push_back(f.wait());
    }
    CHECK(order == std::vector{1, 3, 2, 0});
    // Each once.
    std::size_t count = 0;
    for (const auto& f : as_completed(std::vector{fibers[0], fibers[1], fibers[0]})) {
        static_cast<void>(f);
        ++count;
    }
    CHECK(count == 2);
    for (const auto& f : as_completed(std::vector<fiber<int>>())) f.wait();
}

TEST_CASE_FIXTURE(clean_end,
                  "as_completed gives what has ended before it runs out of time") {
    const virtual_time from_here;
    const auto fibers = ending_after({1s, 9s, 2s});
    std::vector<int> order;
    CHECK_THROWS_AS(
        [&] {
            for (const auto& f : as_completed(fibers, 5s)) order.push_back(f.wait());
        }(),
        deadline_exceeded);
    CHECK(order == std::vector{0, 2});
    CHECK_FALSE(fibers[1].done());
    end(fibers);
}

TEST_CASE_FIXTURE(clean_end, "leaving as_completed early ends nobody") {
    const virtual_time from_here;
    const auto fibers = ending_after({1s, 2s});
    for (const auto& f : as_completed(fibers)) {
        CHECK(f.wait() == 0);
        break;
    }
    CHECK(fibers[1].wait() == 1);
}

TEST_CASE_FIXTURE(clean_end, "wait_for gives the result or ends the work") {
    const virtual_time from_here;
    CHECK(wait_for([] { return after(1s, 4); }, 2s) == 4);
    const time_point begin = hub::current().now();
    auto slow = spawn([] { return after(1h, 4); });
    CHECK_THROWS_AS(wait_for(slow, 2s), deadline_exceeded);
    CHECK(hub::current().now() - begin == 2s);
    CHECK(slow.done());
    CHECK_THROWS_WITH_AS(wait_for([] { throw std::runtime_error("own"); }, 1s), "own",
                         std::runtime_error);
    wait_for([] {}, 1s);
    CHECK(errc_of([] { wait_for([] {}, -1s); }) == errc::bad_argument);
}

TEST_CASE_FIXTURE(clean_end, "wait_for waits for the end of what it has ended") {
    const virtual_time from_here;
    const time_point begin = hub::current().now();
    const auto tidies_up = [] {
        try {
            sleep(1h);
        } catch (const greenlet_exit&) {
            const uninterrupted here;
            sleep(3s);
            throw;
        }
    };
    CHECK_THROWS_AS(wait_for(tidies_up, 2s), deadline_exceeded);
    CHECK(hub::current().now() - begin == 5s);
}

TEST_CASE_FIXTURE(clean_end, "what returns all the same has its result returned") {
    const virtual_time from_here;
    const auto stubborn = [] {
        try {
            sleep(1h);
        } catch (const greenlet_exit&) {
            detail::forget_thrown();
        }
        return 8;
    };
    CHECK(wait_for(stubborn, 1s) == 8);
    const auto fails_to_stop = [] {
        try {
            sleep(1h);
        } catch (const greenlet_exit&) {
            throw std::runtime_error("cannot stop");
        }
    };
    CHECK_THROWS_WITH_AS(wait_for(fails_to_stop, 1s), "cannot stop",
                         std::runtime_error);
}

TEST_CASE_FIXTURE(clean_end, "no time at all is for what has ended already") {
    bool ran = false;
    CHECK_THROWS_AS(wait_for([&] { ran = true; }, 0s), deadline_exceeded);
    CHECK_FALSE(ran);
    auto ended = spawn([] { return 1; });
    ended.wait();
    CHECK(wait_for(ended, 0s) == 1);
}

TEST_CASE_FIXTURE(clean_end, "a kill of who waits ends what wait_for waits for") {
    const virtual_time from_here;
    auto inner = spawn([] { sleep(forever); });
    auto outer = spawn([&] { wait_for(inner, 1h); });
    yield();
    outer.kill();
    outer.join();
    CHECK(inner.done());
}

TEST_CASE_FIXTURE(clean_end, "a shield keeps what it waits for out of all that") {
    const virtual_time from_here;
    auto inner = spawn([] { return after(5s, 6); });
    CHECK_THROWS_AS(wait_for(shield(inner), 1s), deadline_exceeded);
    CHECK_FALSE(inner.done());
    CHECK(inner.wait() == 6);
    CHECK(shield(inner).wait() == 6);
    auto killed = spawn([] { sleep(forever); });
    auto shielded = shield(killed);
    yield();
    killed.kill();
    CHECK_THROWS_AS(shielded.wait(), greenlet_exit);
    CHECK(errc_of([] { shield(fiber<int>()); }) == errc::dead);
}

TEST_CASE_FIXTURE(clean_end, "the first to end wins a race and ends the others") {
    const virtual_time from_here;
    int ended = 0;
    const auto runner = [&](duration d, int result) {
        return [&, d, result] {
            struct count {
                int& n;
                ~count() { ++n; }
            } const at_end{ended};
            return after(d, result);
        };
    };
    const auto slow = runner(1h, 1);
    const auto quick = runner(1s, 2);
    std::vector<fiber<int>> both{spawn(slow), spawn(quick)};
    CHECK(race(both) == 2);
    CHECK(ended == 2);
    CHECK(race(spawn(quick), spawn(slow)) == 2);
    CHECK(ended == 4);
}

TEST_CASE_FIXTURE(clean_end, "the first to fail wins as well") {
    const virtual_time from_here;
    auto fails = spawn([]() -> int { throw std::runtime_error("first"); });
    auto slow = spawn([] { return after(1h, 1); });
    CHECK_THROWS_WITH_AS(race(slow, fails), "first", std::runtime_error);
    CHECK(slow.done());
    CHECK(errc_of([] { race(std::vector<fiber<int>>()); }) == errc::bad_argument);
}

TEST_CASE_FIXTURE(clean_end, "a kill of who holds a race ends all who run") {
    const virtual_time from_here;
    const auto fibers = ending_after({1h, 2h});
    auto outer = spawn([&] { race(fibers); });
    yield();
    outer.kill();
    outer.join();
    CHECK(fibers[0].done());
    CHECK(fibers[1].done());
}
