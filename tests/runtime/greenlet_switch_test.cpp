// greenlet_switch_test.cpp - control and values going back and forth.
//
// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/fiber_local.hpp>
#include <tendril/runtime/greenlet.hpp>

#include <functional>
#include <memory>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "../support/clean_end.hpp"
#include "../support/errc_of.hpp"
#include <doctest/doctest.h>

using namespace tendril;
using test::clean_end;
using test::errc_of;

TEST_SUITE_BEGIN("runtime/greenlet switch");

TEST_CASE_FIXTURE(clean_end, "a child and its parent take turns as they switch") {
    std::string order;
    greenlet<> child([&] {
        order += '1';
        greenlet<>::current().parent().switch_to();
        order += '3';
    });
    order += '0';
    child.switch_to();
    order += '2';
    child.switch_to();
    order += '4';
    CHECK(order == "01234");
    CHECK(child.dead());
}

TEST_CASE_FIXTURE(clean_end, "two suspended children are resumed in any order") {
    std::string order;
    auto twice = [&order](char c) {
        return greenlet<>([&order, c] {
            order += c;
            greenlet<>::current().parent().switch_to();
            order += c;
        });
    };
    greenlet<> a = twice('a'), b = twice('b');
    a.switch_to();
    b.switch_to();
    CHECK(order == "ab");
    b.switch_to();
    CHECK(order == "abb");
    CHECK(b.dead());
    CHECK(!a.dead());
    a.switch_to();
    CHECK(order == "abba");
    CHECK(a.dead());
    CHECK(!a);
}

TEST_CASE_FIXTURE(clean_end, "a child that starts a child is the one returned to") {
    std::string order;
    greenlet<> outer([&] {
        order += '1';
        greenlet<> inner([&] {
            order += '2';
            greenlet<>::current().parent().switch_to();
        });
        inner.switch_to();
        order += '3';
    });
    outer.switch_to();
    CHECK(order == "123");
    CHECK(outer.dead());
}

TEST_CASE_FIXTURE(clean_end, "two greenlets go back and forth without their parent") {
    std::string order;
    greenlet<> a, b;
    a = greenlet<>([&] {
        order += "a1 ";
        b.switch_to();
        order += "a2";
    });
    b = greenlet<>([&] {
        order += "b1 ";
        a.switch_to();
        order += "never";
    });
    a.switch_to();
    CHECK(order == "a1 b1 a2");
    CHECK(a.dead());
    CHECK(!b.dead());
    b = {};
    CHECK(order == "a1 b1 a2");
}

TEST_CASE_FIXTURE(clean_end, "an empty handle has nothing to run") {
    greenlet<> nothing;
    CHECK(errc_of([&] { nothing.switch_to(); }) == errc::not_startable);
    CHECK(errc_of([&] { nothing.throw_in(); }) == errc::not_startable);
    greenlet<int> no_number;
    CHECK(errc_of([&] { no_number.switch_to(1); }) == errc::not_startable);
    CHECK(!nothing.dead());
    CHECK(!nothing);
    CHECK(nothing.id() == 0);
    CHECK(nothing.repr() == "no greenlet");
}

TEST_CASE_FIXTURE(clean_end, "a null callable is refused where it is given") {
    void (*null)() = nullptr;
    CHECK(errc_of([&] { greenlet<> g(null); }) == errc::bad_argument);
    CHECK(errc_of([&] { greenlet<> g(std::function<void()>{}); }) ==
          errc::bad_argument);
    CHECK(errc_of([&] { greenlet<> g([] {}, greenlet<>::current(), 1024); }) ==
          errc::bad_argument);
}

TEST_CASE_FIXTURE(clean_end, "the value returned is from whoever switches back") {
    greenlet<int> asked, other;
    greenlet<int> main = greenlet<int>::current();
    asked = greenlet<int>([&](int) { return other.switch_to(1); });
    other = greenlet<int>([&](int x) {
        CHECK(x == 1);
        main.switch_to(7);
        return 8;
    });
    CHECK(asked.switch_to(0) == 7);
    CHECK(other.switch_to(0) == 8);
    asked = {};
}

TEST_CASE_FIXTURE(clean_end, "values cross in both directions at every switch") {
    greenlet<int> twice([](int x) {
        for (;;) x = greenlet<int>::current().parent().switch_to(2 * x);
    });
    for (int i = 0; i < 100; ++i) CHECK(twice.switch_to(i) == 2 * i);
}

TEST_CASE_FIXTURE(clean_end, "an argument is converted as for a plain function") {
    greenlet<double> half([](double x) {
        for (;;) x = greenlet<double>::current().parent().switch_to(x / 2);
    });
    CHECK(half.switch_to(3) == 1.5);
    CHECK(half.switch_to(5.0F) == 2.5);
}

TEST_CASE_FIXTURE(clean_end, "a switch to oneself gives the value straight back") {
    CHECK(greenlet<int>::current().switch_to(5) == 5);
    greenlet<>::current().switch_to();
    greenlet<int> g([&](int x) { return greenlet<int>::current().switch_to(x + 1); });
    CHECK(g.switch_to(1) == 2);
}

TEST_CASE_FIXTURE(clean_end, "a value for a dead one goes to its live ancestor") {
    greenlet<int> main = greenlet<int>::current();
    greenlet<int> outer([&](int) {
        greenlet<int> inner([](int x) { return x; });
        CHECK(inner.switch_to(3) == 3);
        CHECK(inner.dead());
        // Its live ancestor is this very greenlet.
        CHECK(inner.switch_to(25) == 25);
        main.switch_to(4);
        return inner.switch_to(26);
    });
    CHECK(outer.switch_to(0) == 4);
    CHECK(outer.switch_to(0) == 26);
    CHECK(outer.switch_to(27) == 27);
    greenlet<> quiet([] {});
    quiet.switch_to();
    quiet.switch_to();
    CHECK(quiet.dead());
}

TEST_CASE_FIXTURE(clean_end, "several values cross as one tuple") {
    using row = std::tuple<int, std::string>;
    greenlet<row> g([](row r) {
        auto [n, text] = std::move(r);
        r = greenlet<row>::current().parent().switch_to({n + 1, text + "!"});
        return row{std::get<0>(r) * 2, std::get<1>(r) + "?"};
    });
    CHECK(g.switch_to({1, "hi"}) == row{2, "hi!"});
    CHECK(g.switch_to({5, "ho"}) == row{10, "ho?"});
}

TEST_CASE_FIXTURE(clean_end, "move-only values cross unharmed") {
    using box = std::unique_ptr<std::string>;
    greenlet<box> g([](box b) {
        *b += " world";
        b = greenlet<box>::current().parent().switch_to(std::move(b));
        CHECK(b == nullptr);
        return std::make_unique<std::string>("bye");
    });
    box first = g.switch_to(std::make_unique<std::string>("hello"));
    REQUIRE(first != nullptr);
    CHECK(*first == "hello world");
    box last = g.switch_to(nullptr);
    REQUIRE(last != nullptr);
    CHECK(*last == "bye");
}

TEST_CASE_FIXTURE(clean_end, "a body may take no value, return none, or only return") {
    int runs = 0;
    greenlet<int> neither([&] { ++runs; });
    CHECK(neither.switch_to(3) == 0);
    greenlet<int> takes([&](int x) { runs += x; });
    CHECK(takes.switch_to(3) == 0);
    greenlet<int> returns([&] { return 7; });
    CHECK(returns.switch_to(3) == 7);
    CHECK(runs == 4);
}

TEST_CASE_FIXTURE(clean_end, "a value of another type than awaited moves nothing") {
    std::string told;
    greenlet<int> sender([&](int x) {
        // The parent waits for an int.
        try {
            greenlet<std::string>::current().parent().switch_to("text");
        } catch (const fiber_error& e) {
            CHECK(e.code() == errc::value_type);
            told = e.what();
        }
        return x + 1;
    });
    CHECK(sender.switch_to(5) == 6);
    CHECK(told.find("was sent to main fiber") != std::string::npos);
}

TEST_CASE_FIXTURE(clean_end, "a switch without a value brings T{} to one that waits") {
    greenlet<int> g([](int x) {
        CHECK(x == 0);
        x = greenlet<int>::current().parent().switch_to(1);
        CHECK(x == 0);
        greenlet<>::current().parent().switch_to();
    });
    CHECK(g.switch_to(0) == 1);
    // Another's end brings none either.
    greenlet<> other([] {}, g);
    other.switch_to();
    CHECK(!g.dead());
}

TEST_CASE_FIXTURE(clean_end, "a result of another type is an error of the parent's") {
    greenlet<int> child([](int x) { return x; });
    greenlet<std::string> parent([&](std::string) -> std::string {
        child.set_parent(greenlet<>::current());
        try {
            // Waits for a string; the child ends with an int.
            greenlet<std::string>::current().parent().switch_to("ready");
        } catch (const fiber_error& e) {
            CHECK(e.code() == errc::value_type);
            return "refused";
        }
        return "taken";
    });
    CHECK(parent.switch_to("go") == "ready");
    CHECK(errc_of([&] { child.switch_to(1); }) == errc::value_type);
    CHECK(parent.dead());
}

TEST_CASE_FIXTURE(clean_end, "copies of a handle are the same greenlet") {
    greenlet<int> g([](int x) { return x; });
    greenlet<int> same = g;
    CHECK(same == g);
    CHECK(same.id() == g.id());
    CHECK(g.switch_to(4) == 4);
    CHECK(same.dead());
    greenlet<int> moved = std::move(g);
    CHECK(moved == same);
    CHECK(g == greenlet<int>());  // NOLINT(bugprone-use-after-move): it is empty now
    CHECK(greenlet<int>([](int x) { return x; }) != same);
}

TEST_CASE_FIXTURE(clean_end,
                  "the callable goes when the body is over, in the greenlet") {
    struct told_when_destroyed {
        std::vector<std::uint64_t>& where;
        bool armed = true;

        explicit told_when_destroyed(std::vector<std::uint64_t>& w) : where(w) {}

        told_when_destroyed(told_when_destroyed&& other) noexcept
            : where(other.where), armed(std::exchange(other.armed, false)) {}

        ~told_when_destroyed() {
            if (armed) where.push_back(greenlet<>::current().id());
        }
    };

    std::vector<std::uint64_t> destroyed_in;
    greenlet<> g([t = told_when_destroyed(destroyed_in)] {
        greenlet<>::current().parent().switch_to();
    });
    g.switch_to();
    CHECK(destroyed_in.empty());
    g.switch_to();
    CHECK(destroyed_in == std::vector<std::uint64_t>{g.id()});
}

TEST_CASE_FIXTURE(clean_end, "fiber_local values travel with their greenlet") {
    static fiber_local<std::string> name;
    name.get() = "main";
    auto named = [](const char* text) {
        return greenlet<>([text] {
            CHECK(name.get().empty());
            name.get() = text;
            greenlet<>::current().parent().switch_to();
            CHECK(name.get() == text);
        });
    };
    greenlet<> a = named("a"), b = named("b");
    a.switch_to();
    b.switch_to();
    CHECK(name.get() == "main");
    a.switch_to();
    b.switch_to();
    CHECK(name.get() == "main");
    name.get().clear();
}

TEST_CASE_FIXTURE(clean_end, "a hundred switches copy no value") {
    auto value = std::make_shared<int>(1);
    {
        using shared = std::shared_ptr<int>;
        greenlet<shared> g([](shared v) {
            for (;;) v = greenlet<shared>::current().parent().switch_to(std::move(v));
        });
        for (int i = 0; i < 100; ++i) {
            value = g.switch_to(std::move(value));
            CHECK(value.use_count() == 1);
        }
    }
    CHECK(value.use_count() == 1);
}

TEST_SUITE_END();
