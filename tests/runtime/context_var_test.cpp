// context_var_test.cpp - values that follow the work.
//
// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/context_var.hpp>
#include <tendril/runtime/hub.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>
#include <tendril/sync/event.hpp>
#include <tendril/test/virtual_time.hpp>

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "../support/clean_end.hpp"
#include "../support/errc_of.hpp"
#include "../support/other_thread.hpp"
#include <doctest/doctest.h>

using namespace std::chrono_literals;
using namespace tendril;
using test::clean_end;
using test::clean_end_of_threads;
using test::errc_of;

TEST_SUITE_BEGIN("runtime/context_var");

namespace {

context_var<int> number(1);
context_var<std::string> text;

}  // namespace

TEST_CASE_FIXTURE(clean_end, "without a value it is the variable's own, or an error") {
    CHECK(number.get() == 1);
    CHECK_FALSE(number.is_set());
    CHECK(errc_of([] { text.get(); }) == errc::unset);
}

TEST_CASE_FIXTURE(clean_end, "set, and reset in any order, is as in Python") {
    const auto first = number.set(2);
    const auto second = number.set(3);
    const auto third = text.set("three");
    CHECK(number.get() == 3);
    CHECK(text.get() == "three");
    number.reset(second);
    CHECK(number.get() == 2);
    number.reset(first);
    CHECK(number.get() == 1);
    CHECK_FALSE(number.is_set());
    CHECK(text.get() == "three");
    text.reset(third);
    CHECK_FALSE(text.is_set());
}

TEST_CASE_FIXTURE(clean_end, "a token resets the variable that it is of and no other") {
    context_var<int> other(10);
    const auto before = number.set(2);
    const auto others = other.set(20);
    CHECK(errc_of([&] { number.reset(others); }) == errc::bad_argument);
    CHECK(errc_of([&] { other.reset(before); }) == errc::bad_argument);
    CHECK(number.get() == 2);
    CHECK(other.get() == 20);
    number.reset(before);
    other.reset(others);
    CHECK_FALSE(number.is_set());
    CHECK_FALSE(other.is_set());
}

TEST_CASE_FIXTURE(clean_end,
                  "a child has its parent's values as they were at the spawn") {
    const auto before = number.set(2);
    auto child = spawn([] {
        CHECK(number.get() == 2);
        number.set(4);
        yield();
        return spawn([] { return number.get(); }).wait();
    });
    number.set(3);
    yield();
    CHECK(number.get() == 3);
    CHECK(child.wait() == 4);
    CHECK(number.get() == 3);
    auto later = spawn_after(0s, [] { return number.get(); });
    number.reset(before);
    CHECK(later.wait() == 3);
}

TEST_CASE_FIXTURE(clean_end, "what runs in a copy changes only the copy") {
    const auto before = number.set(2);
    const context here = context::current();
    number.set(3);
    const int seen = here.run([] {
        CHECK(number.get() == 2);
        number.set(5);
        yield();
        return number.get();
    });
    CHECK(seen == 5);
    CHECK(number.get() == 3);
    CHECK(here.run([] { return number.get(); }) == 2);
    CHECK(context().run([] { return number.get(); }) == 1);
    CHECK_THROWS_AS(here.run([] { throw 7; }), int);
    CHECK(number.get() == 3);
    number.reset(before);
}

TEST_CASE_FIXTURE(clean_end_of_threads, "a thread begins with none") {
    const auto before = number.set(2);
    const context here = context::current();
    int in_thread = 0, taken_along = 0;
    test::on_other_thread([&] {
        in_thread = number.get();
        taken_along =
            here.run([] { return spawn([] { return number.get(); }).wait(); });
    });
    CHECK(in_thread == 1);
    CHECK(taken_along == 2);
    number.reset(before);
}

TEST_CASE_FIXTURE(clean_end, "values go with the last fiber that has them") {
    static context_var<std::shared_ptr<int>> held;
    auto value = std::make_shared<int>(0);
    auto parent = spawn([&] {
        held.set(value);
        return spawn([] { yield(); });
    });
    parent.wait().wait();
    parent = {};
    yield();
    CHECK(value.use_count() == 1);
}

TEST_CASE_FIXTURE(clean_end, "a callback sees the values of who scheduled it") {
    hub& h = hub::current();
    std::string seen;
    const auto note = [&] { seen += std::to_string(number.get()); };
    h.call_soon(note);
    const auto before = number.set(2);
    h.call_soon([&] {
        note();
        number.set(7);
        h.call_soon(note);
        note();
    });
    h.call_later(0s, note);
    number.reset(before);
    h.call_soon(note);
    for (int i = 0; i < 3; ++i) tendril::sleep(1ns);
    CHECK(seen == "127172");
    CHECK(number.get() == 1);
}

TEST_CASE_FIXTURE(clean_end_of_threads,
                  "a post from another thread sees nobody's values, and leaves none") {
    const auto before = number.set(2);
    std::string seen;
    event<> both;
    test::on_other_thread([&, &home = hub::current()] {
        const auto inner = number.set(3);
        home.post([&] {
            seen += std::to_string(number.get());
            number.set(4);
        });
        home.post([&] {
            seen += std::to_string(number.get());
            both.send();
        });
        number.reset(inner);
    });
    both.wait();
    number.reset(before);
    CHECK(seen == "11");
}

TEST_CASE_FIXTURE(clean_end, "a fiber that has ended holds no values") {
    auto value = std::make_shared<int>(1);
    static context_var<std::shared_ptr<int>> held;
    auto f = spawn([&] { held.set(value); });
    f.wait();
    CHECK(value.use_count() == 1);
    auto never_ran = [&] {
        const auto before = held.set(value);
        auto g = spawn([] {});
        held.reset(before);
        return g;
    }();
    never_ran.cancel();
    CHECK(value.use_count() == 1);
    yield();  // its turn
}

TEST_CASE_FIXTURE(clean_end, "nothing to run in a context is a bad argument") {
    CHECK(test::errc_of([] { context::current().run(std::function<void()>()); }) ==
          errc::bad_argument);
}

TEST_SUITE_END();
