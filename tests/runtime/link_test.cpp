// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/fiber.hpp>
#include <tendril/runtime/hub.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>
#include <tendril/test/virtual_time.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "../support/clean_end.hpp"
#include <doctest/doctest.h>

using namespace std::chrono_literals;
using namespace tendril;
using test::clean_end;
using test::virtual_time;

TEST_SUITE_BEGIN("runtime/link");

TEST_CASE_FIXTURE(clean_end, "links are called in the order in which they were made") {
    std::string order;
    auto f = spawn([&] { order += "body,"; });
    for (const char c : {'a', 'b', 'c'}) f.link([&order, c] { order += c; });
    CHECK(order.empty());
    f.join();
    yield();
    CHECK(order == "body,abc");
}

TEST_CASE_FIXTURE(clean_end,
                  "a link runs in the fiber that ended, before its waiters") {
    std::string order;
    auto f = spawn([] { return 7; });
    std::uint64_t ran_in = 0;
    f.link([&, f] {
        ran_in = current().id();
        order += "link " + std::to_string(f.wait()) + ',';
    });
    const int result = f.wait();
    order += "waiter " + std::to_string(result);
    CHECK(order == "link 7,waiter 7");
    CHECK(ran_in == f.id());
}

TEST_CASE_FIXTURE(clean_end,
                  "a link to an ended fiber is called at once, by the caller") {
    auto f = spawn([] { return 7; });
    f.join();
    yield();
    std::uint64_t ran_in = 0;
    const link_id id = f.link([&] { ran_in = current().id(); });
    CHECK(ran_in == current().id());
    CHECK_FALSE(f.unlink(id));
}

TEST_CASE_FIXTURE(clean_end,
                  "a link made by a link is called after the others, not inside") {
    std::string order;
    auto f = spawn([] {});
    f.link([&, f] {
        order += '1';
        f.link([&, f] {
            order += '3';
            f.link([&] { order += '4'; });
            order += ',';
        });
        order += ',';
    });
    f.link([&] { order += "2,"; });
    f.join();
    yield();
    CHECK(order == "1,2,3,4");
}

TEST_CASE_FIXTURE(clean_end, "a link taken back is not called") {
    std::string order;
    auto f = spawn([] {});
    f.link([&] { order += 'a'; });
    const link_id b = f.link([&] { order += 'b'; });
    f.link([&] { order += 'c'; });
    CHECK(f.unlink(b));
    CHECK_FALSE(f.unlink(b));
    CHECK_FALSE(spawn([] {}).unlink(b));
    f.join();
    yield();
    CHECK(order == "ac");
}

TEST_CASE_FIXTURE(clean_end,
                  "a link can take back one that stands behind it, not itself") {
    std::string order;
    auto f = spawn([] {});
    link_id self = 0, next = 0;
    self = f.link([&, f] {
        order += 'a';
        CHECK_FALSE(f.unlink(self));
        CHECK(f.unlink(next));
    });
    next = f.link([&] { order += 'b'; });
    f.link([&] { order += 'c'; });
    f.join();
    yield();
    CHECK(order == "ac");
}

TEST_CASE_FIXTURE(clean_end,
                  "a link that throws is reported, and the others are called") {
    std::string order;
    auto f = spawn([] { return 1; });
    f.link([&] { order += 'a'; });
    f.link([&] {
        order += 'b';
        throw std::runtime_error("bad link");
    });
    f.link([&] { order += 'c'; });
    CHECK(f.wait() == 1);
    yield();
    CHECK(order == "abc");
    CHECK(reported ==
          std::vector<std::string>{"a link of a fiber: std::runtime_error: bad link"});
    reported.clear();
}

TEST_CASE_FIXTURE(clean_end, "links are called however the fiber ends") {
    int calls = 0;
    auto count = [&] { ++calls; };
    auto thrower = spawn([] { throw 1; });
    auto killed = spawn([] { tendril::sleep(forever); });
    auto cancelled = spawn([] {});
    auto delayed = spawn_after(1h, [] {});
    for (const any_fiber* f :
         std::initializer_list<any_fiber*>{&thrower, &killed, &cancelled, &delayed}) {
        f->link(count);
    }
    CHECK(cancelled.cancel());
    CHECK(calls == 1);
    CHECK(delayed.cancel());
    CHECK(calls == 2);
    yield();
    CHECK(calls == 3);
    killed.kill();
    CHECK(calls == 4);
    CHECK_THROWS_AS(thrower.wait(), int);
}

TEST_CASE_FIXTURE(clean_end, "a link may park, and those who wait are not held up") {
    virtual_time time;
    std::string order;
    auto f = spawn([] {});
    f.link([&] {
        tendril::sleep(1s);
        order += "link";
    });
    f.wait();
    order += "waiter,";
    tendril::sleep(2s);
    CHECK(order == "waiter,link");
}

TEST_CASE_FIXTURE(clean_end,
                  "what a link holds goes when it has been called or taken back") {
    auto owned = std::make_shared<int>(1);
    const std::weak_ptr<int> alive = owned;
    auto f = spawn([] { yield(); });
    const link_id id = f.link([owned] {});
    f.link([owned] {});
    owned = nullptr;
    CHECK(f.unlink(id));
    CHECK_FALSE(alive.expired());
    f.join();
    yield();
    CHECK(alive.expired());
}

TEST_CASE_FIXTURE(clean_end, "a link may hold the only handle of its fiber") {
    int result = 0;
    auto f = spawn([] { return 5; });
    f.link([f, &result] { result = f.wait(); });
    f = {};
    yield();
    CHECK(result == 5);
}

TEST_CASE_FIXTURE(clean_end, "a null link is a bad argument") {
    auto f = spawn([] {});
    CHECK_THROWS_WITH_AS(f.link(std::function<void()>{}),
                         "link was given nothing to call", fiber_error);
    f.wait();
    CHECK_THROWS_AS(f.link(std::function<void()>{}), fiber_error);
}

TEST_SUITE_END();
