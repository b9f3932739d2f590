// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/cancel.hpp>
#include <tendril/runtime/context_var.hpp>
#include <tendril/runtime/error.hpp>
#include <tendril/runtime/fiber.hpp>
#include <tendril/runtime/hub.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>
#include <tendril/runtime/timeout.hpp>
#include <tendril/sync/event.hpp>
#include <tendril/sync/gather.hpp>
#include <tendril/sync/thread_pool.hpp>
#include <tendril/test/virtual_time.hpp>

#include <atomic>
#include <chrono>
#include <latch>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "../support/asleep.hpp"
#include "../support/errc_of.hpp"
#include "../support/other_thread.hpp"
#include <doctest/doctest.h>

using namespace std::chrono_literals;
using namespace tendril;
using test::clean_end_of_threads;
using test::errc_of;
using test::virtual_time;

TEST_SUITE_BEGIN("sync/blocking");

namespace {

// A call that is stuck, and what it says of itself.
struct gate {
    std::latch begun{1};
    std::latch open{1};
    std::latch passed{1};

    void pass() {
        begun.count_down();
        open.wait();
        passed.count_down();
    }
};

}  // namespace

TEST_CASE_FIXTURE(clean_end_of_threads, "others run while a fiber's call blocks") {
    const auto here = std::this_thread::get_id();
    std::latch open(1);
    bool other_ran = false;
    spawn([&] {
        other_ran = true;
        open.count_down();
    });
    const auto there = blocking([&] {
        open.wait();
        return std::this_thread::get_id();
    });
    CHECK(other_ran);
    CHECK(there != here);
}

TEST_CASE_FIXTURE(clean_end_of_threads, "it returns and throws what the call does") {
    CHECK(blocking([](int a, int b) { return a * b; }, 6, 7) == 42);
    CHECK(*blocking([] { return std::make_unique<int>(3); }) == 3);
    int target = 1;
    blocking([&]() -> int& { return target; }) = 2;
    CHECK(target == 2);
    blocking([&] { target = 3; });
    CHECK(target == 3);
    CHECK_THROWS_WITH_AS(blocking([] { throw std::runtime_error("no luck"); }),
                         "no luck", std::runtime_error);
    const timeout mine(1h);
    bool from_mine = false;
    try {
        blocking([&] { throw timed_out(mine); });
    } catch (const timed_out& t) {
        from_mine = t.from(mine);
    }
    CHECK(from_mine);
    void (*nothing)() = nullptr;
    CHECK(errc_of([&] { blocking(nothing); }) == errc::bad_argument);
}

TEST_CASE_FIXTURE(clean_end_of_threads,
                  "ten fibers with a hundred calls each get their own tokens back") {
    thread_pool pool({.threads = 4});
    int right = 0;
    std::vector<fiber<>> fibers;
    for (int i = 0; i < 10; ++i) {
        fibers.push_back(spawn([&, i] {
            for (int call = 0; call < 100; ++call) {
                const std::string token = std::to_string(100 * i + call);
                right += blocking(pool, [token] { return token; }) == token ? 1 : 0;
            }
        }));
    }
    for (const auto& f : fibers) f.wait();
    CHECK(right == 1000);
}

TEST_CASE_FIXTURE(clean_end_of_threads,
                  "a timeout frees the caller and the call runs on") {
    const auto stuck = std::make_shared<gate>();
    const std::weak_ptr<gate> seen = stuck;
    const bool in_time =
        timeout::silent(100ms, [&] { blocking([stuck] { stuck->pass(); }); });
    CHECK_FALSE(in_time);
    stuck->begun.wait();
    CHECK_FALSE(stuck->passed.try_wait());
    stuck->open.count_down();
    stuck->passed.wait();
}

TEST_CASE_FIXTURE(clean_end_of_threads,
                  "a kill frees the caller and what the call throws goes nowhere") {
    thread_pool pool({.threads = 1});
    const auto stuck = std::make_shared<gate>();
    auto caller = spawn([&] {
        blocking(pool, [stuck] {
            stuck->pass();
            throw std::runtime_error("nobody hears it");
        });
    });
    yield();
    stuck->begun.wait();
    caller.kill();
    CHECK(caller.done());
    CHECK_THROWS_AS(caller.wait(), greenlet_exit);
    stuck->open.count_down();
    pool.close();
    CHECK(stuck.use_count() == 1);
}

TEST_CASE_FIXTURE(clean_end_of_threads,
                  "a call that has not begun when its caller leaves never does") {
    thread_pool pool({.threads = 1});
    std::latch open(1);
    const auto busy = pool.submit([&] { open.wait(); });
    bool ran = false;
    cancel_scope scope;
    auto caller =
        spawn([&] { scope.run([&] { blocking(pool, [&] { ran = true; }); }); });
    yield();
    CHECK(pool.queued() == 1);
    scope.cancel();
    caller.wait();
    CHECK(scope.cancelled_caught());
    CHECK(pool.queued() == 0);
    open.count_down();
    pool.close();
    CHECK_FALSE(ran);
}

TEST_CASE_FIXTURE(clean_end_of_threads, "on a thread of a pool it just calls") {
    thread_pool pool({.threads = 1});
    thread_pool other({.threads = 1});
    const bool same = blocking(pool, [&] {
        const auto here = std::this_thread::get_id();
        const auto in = [] { return std::this_thread::get_id(); };
        return blocking(pool, in) == here && blocking(other, in) == here &&
               blocking(in) == here;
    });
    CHECK(same);
    CHECK(other.threads() == 0);
    CHECK_THROWS_AS(blocking(pool, [&] { blocking(pool, [] { throw 1; }); }), int);
    void (*nothing)() = nullptr;
    const auto refused =
        blocking(pool, [&] { return errc_of([&] { blocking(nothing); }); });
    CHECK(refused == errc::bad_argument);
}

TEST_CASE_FIXTURE(clean_end_of_threads, "a thread that has no fibers may block, too") {
    int got = 0;
    std::thread([&] { got = blocking([] { return 5; }); }).join();
    CHECK(got == 5);
}

TEST_CASE_FIXTURE(clean_end_of_threads, "a hub callback may not") {
    event<std::optional<errc>> told;
    bool ran = false;
    hub::current().call_soon(
        [&] { told.send(errc_of([&] { blocking([&] { ran = true; }); })); });
    CHECK(told.wait() == errc::in_hub);
    CHECK_FALSE(ran);
}

TEST_CASE_FIXTURE(clean_end_of_threads, "the call sees the caller's context") {
    static context_var<int> number(0);
    number.set(8);
    CHECK(blocking([] { return number.get(); }) == 8);
    blocking([] { number.set(9); });
    CHECK(number.get() == 8);
}

TEST_CASE_FIXTURE(clean_end_of_threads,
                  "virtual time does not jump while a call is under way") {
    const virtual_time time;
    auto sleeper = spawn([] { tendril::sleep(1h); });
    hub& here = hub::current();
    const auto work = [&here] { test::wait_until_asleep(here); };
    blocking(work);
    CHECK_FALSE(sleeper.done());
    CHECK(time.passed() < 1h);
    // Nor while one waits for room, for one of several, or for the end.
    thread_pool pool({.threads = 1, .queue = 0});
    pool.submit(work);
    gather(pool.submit(work), pool.submit(work));
    pool.submit(work);
    pool.close();
    CHECK_FALSE(sleeper.done());
    sleeper.wait();
    CHECK(time.passed() >= 1h);
}

TEST_SUITE_END();
