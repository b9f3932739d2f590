// done_callback_test.cpp - what asyncio says of done callbacks, sentence by sentence.
//
// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/context_var.hpp>
#include <tendril/runtime/error.hpp>
#include <tendril/runtime/fiber.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>

#include <functional>
#include <memory>
#include <stdexcept>
#include <string>

#include "../support/clean_end.hpp"
#include "../support/errc_of.hpp"
#include "../support/other_thread.hpp"
#include <doctest/doctest.h>

using namespace tendril;
using test::clean_end;
using test::clean_end_of_threads;
using test::errc_of;

TEST_SUITE_BEGIN("runtime/done callbacks");

TEST_CASE_FIXTURE(clean_end, "the hub calls them in the order added") {
    std::string order;
    const auto f = spawn([&] { order += "body,"; });
    for (const char c : {'a', 'b', 'c'}) {
        f.add_done_callback([&order, c] { order += c; });
    }
    f.wait();
    order += "waiter,";
    yield();
    CHECK(order == "body,waiter,abc");
}

TEST_CASE_FIXTURE(clean_end, "one of a fiber that has ended is not called in here") {
    const auto f = spawn([] {});
    f.wait();
    bool called = false;
    f.add_done_callback([&] { called = true; });
    CHECK_FALSE(called);
    yield();
    CHECK(called);
}

TEST_CASE_FIXTURE(clean_end, "one that never began is done, too") {
    const auto f = spawn([] {});
    bool called = false;
    f.add_done_callback([&] { called = true; });
    f.kill();
    yield();
    CHECK(called);
}

TEST_CASE_FIXTURE(clean_end, "what one throws is told and the later ones are called") {
    const auto f = spawn([] {});
    bool called = false;
    f.add_done_callback([] { throw std::runtime_error("no"); });
    f.add_done_callback([&] { called = true; });
    f.wait();
    yield();
    CHECK(called);
    REQUIRE(reported.size() == 1);
    CHECK(reported[0] == "a hub callback: std::runtime_error: no");
    reported.clear();
}

TEST_CASE_FIXTURE(clean_end, "it runs in the context that it was added in") {
    static context_var<int> number(0);
    const auto f = spawn([] { number.set(3); });
    int seen = -1;
    number.set(7);
    f.add_done_callback([&] {
        seen = number.get();
        number.set(9);
    });
    number.set(8);
    f.wait();
    yield();
    CHECK(seen == 7);
    CHECK(number.get() == 8);
    number.set(0);
}

TEST_CASE_FIXTURE(clean_end, "one that is taken back is not called and holds nothing") {
    const auto held = std::make_shared<int>(0);
    bool called = false;
    const auto f = spawn([] {});
    const link_id id = f.add_done_callback([&, held] { called = true; });
    CHECK(held.use_count() == 2);
    CHECK(f.unlink(id));
    CHECK_FALSE(f.unlink(id));
    CHECK(held.use_count() == 1);
    f.wait();
    yield();
    CHECK_FALSE(called);
}

TEST_CASE_FIXTURE(clean_end, "one may add and take back others") {
    std::string order;
    const auto f = spawn([] {});
    link_id last = 0;
    f.link([&] { CHECK(f.unlink(last)); });
    f.add_done_callback([&] {
        order += 'a';
        f.add_done_callback([&] { order += 'c'; });
        order += 'b';
    });
    last = f.add_done_callback([&] { order += 'x'; });
    f.wait();
    yield();
    yield();
    CHECK(order == "abc");
}

TEST_CASE_FIXTURE(clean_end_of_threads,
                  "nothing to call and other threads are errors") {
    const auto f = spawn([] {});
    CHECK(errc_of([&] { f.add_done_callback(std::function<void()>()); }) ==
          errc::bad_argument);
    test::on_other_thread([&] {
        CHECK(errc_of([&] { f.add_done_callback([] {}); }) == errc::wrong_thread);
    });
    CHECK(errc_of([] { any_fiber().add_done_callback([] {}); }) == errc::dead);
    f.wait();
}

TEST_SUITE_END();
