// greenlet_throw_test.cpp - exceptions thrown into greenlets.
//
// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/greenlet.hpp>

#include <exception>
#include <stdexcept>
#include <string>

#include "../support/clean_end.hpp"
#include "../support/errc_of.hpp"
#include <doctest/doctest.h>

using namespace tendril;
using test::clean_end;
using test::errc_of;

namespace {

using text_greenlet = greenlet<std::string>;

std::string to_parent(std::string value) {
    return text_greenlet::current().parent().switch_to(std::move(value));
}

}  // namespace

TEST_SUITE_BEGIN("runtime/greenlet throw_in");

TEST_CASE_FIXTURE(clean_end, "a greenlet that catches what is thrown in goes on") {
    text_greenlet g([](std::string) {
        try {
            to_parent("ok");
        } catch (const std::runtime_error& e) {
            to_parent(std::string("caught ") + e.what());
        }
        return std::string("end");
    });
    CHECK(g.switch_to("") == "ok");
    CHECK(g.throw_in(std::runtime_error("this")) == "caught this");
    CHECK(!g.dead());
    CHECK(g.switch_to("") == "end");
    CHECK(g.dead());
}

TEST_CASE_FIXTURE(clean_end, "what is thrown in may be of any type, and keeps it") {
    struct base {
        virtual ~base() = default;
    };

    struct derived : base {
        int n = 7;
    };

    int caught = 0;
    greenlet<int> g([&](int) {
        try {
            greenlet<int>::current().parent().switch_to(1);
        } catch (const base& b) {
            caught = dynamic_cast<const derived&>(b).n;
        }
        try {
            greenlet<int>::current().parent().switch_to(2);
        } catch (const char* text) {
            caught = text[0];
        }
        return 3;
    });
    CHECK(g.switch_to(0) == 1);
    CHECK(g.throw_in(derived{}) == 2);
    CHECK(caught == 7);
    CHECK(g.throw_in("x") == 3);
    CHECK(caught == 'x');
}

TEST_CASE_FIXTURE(clean_end,
                  "an exception that is not caught comes back to the thrower") {
    text_greenlet g([](std::string) { return to_parent("ok"); });
    CHECK(g.switch_to("") == "ok");
    CHECK_THROWS_WITH_AS(g.throw_in(std::runtime_error("through")), "through",
                         std::runtime_error);
    CHECK(g.dead());
}

TEST_CASE_FIXTURE(clean_end,
                  "a helper that raises in its parent is as good as throw_in") {
    struct crash {};

    greenlet<int> g([](int) {
        for (int i = 1;; ++i) greenlet<int>::current().parent().switch_to(i);
        return 0;
    });
    auto send_exception = [](greenlet<int>& to, auto error) {
        greenlet<int> helper([error](int) -> int { throw error; }, to);
        return helper.switch_to(0);
    };
    CHECK(g.switch_to(0) == 1);
    CHECK(g.switch_to(0) == 2);
    CHECK_THROWS_AS(send_exception(g, crash{}), crash);
    CHECK(g.dead());
}

TEST_CASE_FIXTURE(clean_end,
                  "throw_in() without an exception is a kill, eaten as a value") {
    text_greenlet g([](std::string) {
        to_parent("ok");
        return std::string("never");
    });
    CHECK(g.switch_to("") == "ok");
    CHECK(g.throw_in() == "");
    CHECK(g.dead());
    CHECK(g.throw_in() == "");
    CHECK_THROWS_AS(g.throw_in(std::runtime_error("to a dead one")),
                    std::runtime_error);
}

TEST_CASE_FIXTURE(clean_end, "for a dead one the exception goes to the live ancestor") {
    text_greenlet dead([](std::string s) { return s; });
    dead.switch_to("");
    text_greenlet heir([](std::string) {
        try {
            return to_parent("ready");
        } catch (const std::runtime_error& e) {
            return std::string("heir got ") + e.what();
        }
    });
    CHECK(heir.switch_to("") == "ready");
    dead.set_parent(heir);
    CHECK(dead.throw_in(std::runtime_error("it")) == "heir got it");
    // greenlet_exit, in contrast, is the value that the dead one ends with.
    text_greenlet second([](std::string) { return to_parent("ready") + "resumed"; });
    CHECK(second.switch_to("") == "ready");
    dead.set_parent(second);
    CHECK(dead.throw_in() == "resumed");
}

TEST_CASE_FIXTURE(clean_end,
                  "an unstarted one never runs, and neither does its parent") {
    bool ran = false;
    auto body = [&](std::string s) {
        ran = true;
        return s;
    };
    text_greenlet g1(body), g2(body, g1);
    CHECK_THROWS_AS(g2.throw_in(std::out_of_range("it")), std::out_of_range);
    CHECK(!ran);
    CHECK(g1.dead());
    CHECK(g2.dead());
    greenlet<> g3([&] { ran = true; });
    g3.throw_in();
    CHECK(!ran);
    CHECK(g3.dead());
}

TEST_CASE_FIXTURE(clean_end,
                  "a suspended parent catches it and its result is returned") {
    auto catcher = [](std::string) {
        try {
            to_parent("f1 ready to catch");
        } catch (const std::out_of_range&) {
            return std::string("caught");
        }
        return std::string("normal exit");
    };
    const auto main = text_greenlet::current();
    for (const bool start_child : {false, true}) {
        text_greenlet g1(catcher);
        text_greenlet g2(
            [&](std::string) { return text_greenlet(main).switch_to("from f2"); }, g1);
        CHECK(g1.switch_to("") == "f1 ready to catch");
        if (start_child) CHECK(g2.switch_to("") == "from f2");
        CHECK(g2.throw_in(std::out_of_range("it")) == "caught");
        CHECK(g1.dead());
        CHECK(g2.dead());
    }
}

TEST_CASE_FIXTURE(clean_end, "a null exception_ptr is refused in the caller") {
    greenlet<> g([] { greenlet<>::current().parent().switch_to(); });
    CHECK(errc_of([&] { g.throw_in(std::exception_ptr()); }) == errc::bad_argument);
    CHECK(!g.dead());
    g.switch_to();
    CHECK(errc_of([&] { g.throw_in(std::exception_ptr()); }) == errc::bad_argument);
    CHECK(!g.dead());
}

TEST_CASE_FIXTURE(clean_end, "throwing into oneself is throwing") {
    CHECK_THROWS_AS(greenlet<>::current().throw_in(std::runtime_error("me")),
                    std::runtime_error);
    greenlet<> g([] { greenlet<>::current().throw_in(); });
    g.switch_to();
    CHECK(g.dead());
}

TEST_CASE_FIXTURE(clean_end, "a thousand starts that throw leave nothing behind") {
    auto& h = hub::current();
    const std::size_t before = h.stacks_in_use();
    auto token = std::make_shared<int>(0);
    for (int i = 0; i < 1000; ++i) {
        greenlet<> g([token] { throw token; });
        CHECK_THROWS_AS(g.switch_to(), std::shared_ptr<int>);
    }
    CHECK(token.use_count() == 1);
    CHECK(h.stacks_in_use() == before);
}

TEST_SUITE_END();
