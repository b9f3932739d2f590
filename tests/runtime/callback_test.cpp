// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/fiber.hpp>
#include <tendril/runtime/hub.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>
#include <tendril/test/virtual_time.hpp>

#include <chrono>
#include <memory>
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

TEST_SUITE_BEGIN("runtime/hub callbacks");

// -- order

TEST_CASE_FIXTURE(clean_end,
                  "callbacks run by their deadlines, whatever the order armed") {
    virtual_time time;
    hub& h = hub::current();
    std::string order;
    const duration d = 10ms;
    h.call_later(2 * d, [&] { order += '3'; });
    h.call_later(d, [&] { order += '1'; });
    h.call_later(d, [&] { order += '2'; });
    tendril::sleep(3 * d);
    CHECK(order == "123");
}

TEST_CASE_FIXTURE(clean_end,
                  "equal deadlines: sleeps, timers and spawns as they were armed") {
    virtual_time time;
    hub& h = hub::current();
    const time_point when = h.now() + 1s;
    std::string order;
    h.call_at(when, [&] { order += 'a'; });
    spawn_after(1s, [&] { order += 'x'; });  // made ready, so after the callbacks
    h.call_later(1s, [&] { order += 'b'; });
    auto sleeper = spawn([&] {
        sleep_until(when);
        order += 'y';
    });
    h.call_at(when, [&] { order += 'c'; });
    sleeper.wait();
    CHECK(order == "abcxy");
}

TEST_CASE_FIXTURE(clean_end,
                  "a timer armed by one that fires waits for the next turn") {
    hub& h = hub::current();
    std::string order;
    h.call_later(0s, [&] {
        order += '1';
        h.call_later(0s, [&] { order += '3'; });
        spawn([&] { order += '2'; });
    });
    while (order.size() < 3) yield();
    CHECK(order == "123");
}

TEST_CASE_FIXTURE(clean_end,
                  "call_at a time gone by runs in the next turn, never is never") {
    virtual_time time;
    hub& h = hub::current();
    std::string order;
    h.call_at(h.now(), [&] { order += '1'; });
    h.call_at(h.now() - 24h, [&] { order += '2'; });
    h.call_at(time_point::min(), [&] { order += '3'; });
    CHECK(order.empty());
    tendril::sleep(1ns);
    CHECK(order == "123");
    const timer no = h.call_later(forever, [&] { order += '-'; });
    CHECK_FALSE(no.pending());
    CHECK_FALSE(h.call_at(never, [] {}).pending());
    tendril::sleep(100'000h);
    CHECK(order == "123");
}

// -- handles

TEST_CASE_FIXTURE(clean_end,
                  "a cancelled callback never runs, and lets go of what it holds") {
    virtual_time time;
    hub& h = hub::current();
    auto owned = std::make_shared<int>(1);
    const std::weak_ptr<int> alive = owned;
    timer soon = h.call_soon([owned] { FAIL_CHECK("cancelled"); });
    timer later = h.call_later(1s, [owned] { FAIL_CHECK("cancelled"); });
    owned = nullptr;
    CHECK(soon.pending());
    CHECK(soon.cancel());
    CHECK_FALSE(alive.expired());
    CHECK(later.cancel());
    CHECK(alive.expired());
    CHECK(h.armed_timers() == 0);
    CHECK_FALSE(soon.pending());
    CHECK_FALSE(soon.cancel());
    tendril::sleep(2s);
    CHECK_FALSE(later.cancel());
}

TEST_CASE_FIXTURE(clean_end, "a bare function is a callback like any other") {
    virtual_time time;
    static int calls;
    calls = 0;
    void (&count)() = *+[] { ++calls; };
    hub& h = hub::current();
    h.call_soon(count);
    h.call_later(0s, &count);
    h.post(count);
    auto f = spawn([] {});
    f.link(count);
    tendril::sleep(1ms);
    CHECK(calls == 4);
    void (*const none)() = nullptr;
    CHECK(errc_of([&] { h.call_soon(none); }) == errc::bad_argument);
    CHECK(errc_of([&] { h.post(none); }) == errc::bad_argument);
    CHECK(errc_of([&] { f.link(none); }) == errc::bad_argument);
}

TEST_CASE_FIXTURE(clean_end, "copies of a timer are one timer, an empty one is none") {
    virtual_time time;
    hub& h = hub::current();
    int runs = 0;
    timer a = h.call_later(1s, [&] { ++runs; });
    timer b = a;
    const timer c = std::move(a);
    CHECK_FALSE(a.pending());  // NOLINT(bugprone-use-after-move): it is empty
    CHECK(b.pending());
    CHECK(b.cancel());
    CHECK_FALSE(c.pending());
    b = h.call_later(1s, [&] { ++runs; });
    a = b;
    b = timer();
    CHECK_FALSE(b.cancel());
    tendril::sleep(1s);
    CHECK(runs == 1);
    CHECK_FALSE(a.pending());
}

TEST_CASE_FIXTURE(clean_end, "dropping the handle cancels nothing") {
    virtual_time time;
    bool ran = false;
    hub::current().call_later(1s, [&] { ran = true; });
    tendril::sleep(1s);
    yield();
    CHECK(ran);
}

TEST_CASE_FIXTURE(
    clean_end, "a callback can cancel one that is due in the same turn, not itself") {
    virtual_time time;
    hub& h = hub::current();
    std::string order;
    timer self, next;
    self = h.call_later(1s, [&] {
        order += '1';
        CHECK_FALSE(self.pending());
        CHECK_FALSE(self.cancel());
        CHECK(next.cancel());
    });
    next = h.call_later(1s, [&] { order += '2'; });
    h.call_later(1s, [&] { order += '3'; });
    timer soon;
    h.call_soon([&] { CHECK(soon.cancel()); });
    soon = h.call_soon([&] { order += '-'; });
    tendril::sleep(2s);
    CHECK(order == "13");
}

TEST_CASE_FIXTURE(clean_end,
                  "a callback may hold its own timer, and drop it while it runs") {
    virtual_time time;
    auto mine = std::make_shared<timer>();
    const std::weak_ptr<timer> alive = mine;
    *mine = hub::current().call_later(1s, [mine]() mutable { mine = nullptr; });
    mine = nullptr;
    tendril::sleep(2s);
    CHECK(alive.expired());
    auto other = std::make_shared<timer>();
    timer* const raw = other.get();
    *raw = hub::current().call_later(1s, [other = std::move(other)] {});
    CHECK(raw->cancel());
}

TEST_CASE_FIXTURE(clean_end,
                  "cancelled timers leave at once: none of 2,000, 2,000 of 3,000") {
    hub& h = hub::current();
    const std::size_t before = h.armed_timers();
    for (int i = 0; i < 2000; ++i) h.call_later(60s, [] {}).cancel();
    CHECK(h.armed_timers() == before);
    std::vector<timer> timers;
    for (int i = 0; i < 3000; ++i) {
        timers.push_back(h.call_later(60s, [] {}));
        if (i % 3 == 0) timers.back().cancel();
    }
    CHECK(h.armed_timers() == before + 2000);
    for (timer& t : timers) t.cancel();
    CHECK(h.armed_timers() == before);
}

// -- local

TEST_CASE_FIXTURE(clean_end,
                  "call_later_local runs while its creator lives, and not after") {
    virtual_time time;
    std::string order;
    auto creator = spawn([&] {
        hub::current().call_later_local(1s, [&] { order += '1'; });
        hub::current().call_later_local(3s, [&] { order += '-'; });
        hub::current().call_later(3s, [&] { order += '2'; });
        tendril::sleep(2s);
    });
    tendril::sleep(4s);
    CHECK(order == "12");
    CHECK(creator.done());
    hub::current().call_later_local(1s, [&] { order += "main"; });
    tendril::sleep(2s);
    CHECK(order == "12main");
}

TEST_SUITE_END();
