// gather_test.cpp - what asyncio.gather does, sentence by sentence.
//
// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/cancel.hpp>
#include <tendril/runtime/error.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>
#include <tendril/sync/future.hpp>
#include <tendril/sync/gather.hpp>
#include <tendril/sync/shield.hpp>
#include <tendril/test/virtual_time.hpp>

#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

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

int after(duration d, int result) {
    sleep(d);
    return result;
}

}  // namespace

TEST_SUITE_BEGIN("sync/gather");

TEST_CASE_FIXTURE(clean_end, "results stand where the arguments stood") {
    const virtual_time from_here;
    const auto [slow, quick, text] =
        gather([] { return after(2s, 1); }, [] { return after(1s, 2); },
               [] { return std::string("three"); });
    CHECK(slow == 1);
    CHECK(quick == 2);
    CHECK(text == "three");

    std::vector<fiber<int>> fibers;
    for (int i = 0; i < 5; ++i) {
        fibers.push_back(spawn([i] { return after((5 - i) * 1s, i); }));
    }
    CHECK(gather(fibers) == std::vector<int>{0, 1, 2, 3, 4});
}

TEST_CASE_FIXTURE(clean_end, "they run at once and not one after the other") {
    const virtual_time from_here;
    const time_point begin = hub::current().now();
    gather([] { sleep(2s); }, [] { sleep(3s); }, [] { sleep(1s); });
    CHECK(hub::current().now() - begin == 3s);
}

TEST_CASE_FIXTURE(clean_end, "of nothing it is empty and of void it is nothing") {
    CHECK(gather() == std::tuple<>());
    CHECK(gather(std::vector<fiber<int>>()).empty());
    int calls = 0;
    const auto count = [&] { ++calls; };
    gather(std::vector<fiber<>>{spawn(count), spawn(count)});
    CHECK(calls == 2);
    const auto [nothing] = gather(count);
    CHECK(std::is_same_v<decltype(nothing), const std::monostate>);
    CHECK(calls == 3);
}

TEST_CASE_FIXTURE(clean_end, "one that is given twice runs once") {
    int runs = 0;
    const auto once = spawn([&] { return ++runs; });
    const auto [a, b] = gather(once, once);
    CHECK(a == 1);
    CHECK(b == 1);
    CHECK(gather(std::vector{once, once, once}) == std::vector{1, 1, 1});
    CHECK(runs == 1);
}

TEST_CASE_FIXTURE(clean_end, "results that cannot be copied are moved out") {
    auto boxed = spawn([] { return std::make_unique<int>(5); });
    auto [box, called] = gather(boxed, [] { return std::make_unique<int>(6); });
    CHECK(*box == 5);
    CHECK(*called == 6);
    int target = 0;
    auto [reference] = gather([&]() -> int& { return target; });
    reference.get() = 3;
    CHECK(target == 3);
}

TEST_CASE_FIXTURE(clean_end,
                  "the first exception is thrown at once and the others go on") {
    const virtual_time from_here;
    const time_point begin = hub::current().now();
    auto good = spawn([] { return after(5s, 7); });
    const auto bad = [](duration d, const char* text) {
        return [=] {
            sleep(d);
            throw std::runtime_error(text);
        };
    };
    auto late = spawn(bad(4s, "late"));
    CHECK_THROWS_WITH_AS(gather(good, late, bad(2s, "second"), bad(1s, "first")),
                         "first", std::runtime_error);
    CHECK(hub::current().now() - begin == 1s);
    CHECK_FALSE(good.done());
    CHECK(good.wait() == 7);
    CHECK(late.done());
    late = {};  // and what it threw is told to nobody, as the fixture checks
}

TEST_CASE_FIXTURE(clean_end,
                  "a killed one is an exit to the caller and to nobody else") {
    auto killed = spawn([] { sleep(forever); });
    auto sibling = spawn([] {
        yield();
        yield();
        return 1;
    });
    auto outer = spawn([&] {
        bool seen = false;
        try {
            gather(killed, sibling);
        } catch (const greenlet_exit&) {
            seen = true;
        }
        return seen;
    });
    yield();
    killed.kill();
    CHECK(outer.wait());
    CHECK(sibling.wait() == 1);
}

TEST_CASE_FIXTURE(clean_end, "with return_exceptions all of them become outcomes") {
    const virtual_time from_here;
    auto one = spawn([] { return after(1s, 1); });
    auto two = spawn([]() -> int {
        sleep(2s);
        throw std::domain_error("division by zero");
    });
    auto three = spawn([] { return after(3s, 3); });
    sleep(2s);
    three.kill();
    const auto [a, b, c] = gather(return_exceptions, one, two, three);
    CHECK(a);
    CHECK(*a == 1);
    CHECK(a.error() == nullptr);
    CHECK_FALSE(b);
    CHECK(b.failed_with<std::domain_error>());
    CHECK_FALSE(b.failed_with<greenlet_exit>());
    CHECK_THROWS_WITH_AS(b.value(), "division by zero", std::domain_error);
    CHECK(c.failed_with<greenlet_exit>());

    const auto all = gather(return_exceptions, std::vector{one, two});
    REQUIRE(all.size() == 2);
    CHECK(*all[0] == 1);
    CHECK(all[1].failed_with<std::domain_error>());
    const auto [nothing] = gather(return_exceptions, [] {});
    CHECK(nothing);
}

namespace {

// Kills a fiber that gathers two: true if both were killed, and had ended with all
// their clean-up when the kill came out of gather().
template <class Gather>
bool ends_all_when_killed(Gather gather_both) {
    int cleaned = 0;
    const auto work = [&] {
        try {
            sleep(forever);
        } catch (const greenlet_exit&) {
            const uninterrupted here;
            sleep(1s);
            ++cleaned;
            throw;
        }
    };
    int cleaned_at_end = -1;
    auto outer = spawn([&] {
        try {
            gather_both(work, work);
        } catch (const greenlet_exit&) {
            cleaned_at_end = cleaned;
            throw;
        }
    });
    yield();
    yield();
    outer.kill();
    // Once more, while it waits for them.
    outer.kill();
    outer.join();
    return cleaned_at_end == 2;
}

}  // namespace

TEST_CASE_FIXTURE(clean_end, "a kill of the caller ends all and is thrown after that") {
    const virtual_time from_here;
    CHECK(ends_all_when_killed([](auto a, auto b) { gather(a, b); }));
    CHECK(
        ends_all_when_killed([](auto a, auto b) { gather(return_exceptions, a, b); }));
}

TEST_CASE_FIXTURE(clean_end, "a shielded one goes on when the caller is killed") {
    const virtual_time from_here;
    auto kept = spawn([] { return after(5s, 9); });
    auto lost = spawn([] { sleep(forever); });
    auto outer = spawn([&] { gather(shield(kept), lost); });
    yield();
    outer.kill();
    outer.join();
    CHECK(lost.done());
    CHECK_FALSE(kept.done());
    CHECK(kept.wait() == 9);
}

TEST_CASE_FIXTURE(clean_end,
                  "one that has not begun when the caller is killed never does") {
    bool ran = false;
    cancel_scope over;
    over.cancel();
    CHECK_FALSE(over.run([&] { gather([&] { ran = true; }); }));
    CHECK_FALSE(ran);
    yield();  // it keeps its place in line until then
}

TEST_CASE_FIXTURE(clean_end, "waiting for oneself or for nobody is an error") {
    fiber<> self;
    self = spawn([&] { CHECK(errc_of([&] { gather(self); }) == errc::bad_argument); });
    self.wait();
    self = {};
    CHECK(errc_of([] { gather(fiber<int>()); }) == errc::dead);
    CHECK(errc_of([] { gather(future<int>()); }) == errc::dead);
}

TEST_CASE_FIXTURE(clean_end_of_threads,
                  "futures of other threads are gathered with fibers") {
    detail::promise<int> p, q;
    auto first = p.get_future();
    auto second = q.get_future();
    std::thread other([&] {
        p.keep(1);
        q.fail(std::make_exception_ptr(std::runtime_error("there")));
    });
    const auto [a, b, c] =
        gather(return_exceptions, first, second, [] { return after(1ms, 3); });
    other.join();
    CHECK(*a == 1);
    CHECK(b.failed_with<std::runtime_error>());
    CHECK(*c == 3);
}

TEST_CASE_FIXTURE(clean_end, "ten thousand at once") {
    std::vector<fiber<int>> fibers;
    for (int i = 0; i < 10'000; ++i) {
        fibers.push_back(spawn([i] {
            yield();
            return i;
        }));
    }
    const auto all = gather(std::move(fibers));
    REQUIRE(all.size() == 10'000);
    bool in_order = true;
    for (int i = 0; i < 10'000; ++i) in_order = in_order && all[std::size_t(i)] == i;
    CHECK(in_order);
}
