// greenlet_parent_test.cpp - where control goes when a body ends.
//
// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/greenlet.hpp>
#include <tendril/runtime/spawn.hpp>

#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

#include "../support/clean_end.hpp"
#include "../support/errc_of.hpp"
#include <doctest/doctest.h>

using namespace tendril;
using test::clean_end;
using test::errc_of;

namespace {

struct some_error {};

void to_parent() {
    greenlet<>::current().parent().switch_to();
}

}  // namespace

TEST_SUITE_BEGIN("runtime/greenlet parent");

TEST_CASE_FIXTURE(clean_end,
                  "an exception goes to the parent of now, not the starter") {
    std::vector<std::string> seen;
    auto body = [&seen](int) -> int {
        try {
            greenlet<int>::current().parent().switch_to(0);
        } catch (const some_error&) {
            seen.push_back("some_error");
            throw;
        }
        throw some_error{};
    };
    greenlet<int> g1(body), g2(body);
    g1.switch_to(0);
    g2.switch_to(0);
    g2.set_parent(g1);
    CHECK(seen.empty());
    CHECK_THROWS_AS(g2.switch_to(0), some_error);
    CHECK(seen == std::vector<std::string>{"some_error"});
    CHECK(g1.dead());
    CHECK(g2.dead());
    // Both are dead: this very place is their live ancestor.
    CHECK(g2.switch_to(0) == 0);
    CHECK(g2.switch_to(25) == 25);
    CHECK(seen.size() == 1);
}

TEST_CASE_FIXTURE(clean_end, "an exception keeps its type and its address on the way") {
    struct detailed : std::runtime_error {
        detailed() : std::runtime_error("detailed"), origin(this) {}

        const void* origin;
    };

    greenlet<> outer([] {
        greenlet<> inner([] { throw detailed{}; });
        inner.switch_to();
    });
    try {
        outer.switch_to();
        FAIL("no exception came");
    } catch (const std::runtime_error& e) {
        const auto* whole = dynamic_cast<const detailed*>(&e);
        REQUIRE(whole != nullptr);
        CHECK(whole->origin == whole);
    }
}

TEST_CASE_FIXTURE(clean_end, "greenlet_exit out of a body ends it quietly, with T{}") {
    greenlet<int> g([](int) -> int { throw greenlet_exit{}; });
    CHECK(g.switch_to(3) == 0);
    CHECK(g.dead());
}

TEST_CASE_FIXTURE(clean_end, "an unstarted parent is started with the child's result") {
    greenlet<int> parent([](int x) { return x + 1; });
    greenlet<int> child([](int x) { return 2 * x; }, parent);
    CHECK(child.switch_to(21) == 43);
    CHECK(parent.dead());
    CHECK(child.dead());
}

TEST_CASE_FIXTURE(clean_end, "an unstarted parent dies of its child's exception") {
    bool ran = false;
    greenlet<> parent([&] { ran = true; });
    greenlet<> child([] { throw some_error{}; }, parent);
    CHECK_THROWS_AS(child.switch_to(), some_error);
    CHECK(!ran);
    CHECK(parent.dead());
}

TEST_CASE_FIXTURE(clean_end,
                  "a parent that cannot be started passes the failure upwards") {
    bool ran = false;
    greenlet<std::string> grandparent([](std::string) -> std::string {
        try {
            greenlet<std::string>::current().parent().switch_to("ready");
        } catch (const fiber_error& e) {
            CHECK(e.code() == errc::value_type);
            return "told";
        }
        return "not told";
    });
    CHECK(grandparent.switch_to("") == "ready");
    // Wants to be started with a string; the child ends with an int.
    greenlet<std::string> parent(
        [&](std::string s) {
            ran = true;
            return s;
        },
        grandparent);
    std::string got;
    greenlet<std::string> asker([&](std::string) {
        greenlet<int> child([](int x) { return x; }, parent);
        child.switch_to(1);
        return std::string("never");
    });
    CHECK(asker.switch_to("") == "told");
    CHECK(!ran);
    CHECK(parent.dead());
    CHECK(grandparent.dead());
    CHECK(!asker.dead());
}

TEST_CASE_FIXTURE(clean_end, "dead parents are skipped upwards") {
    std::vector<greenlet<>> chain;
    chain.emplace_back([] {});
    for (int i = 0; i < 10; ++i) chain.emplace_back([] {}, chain.back());
    greenlet<> last(to_parent, chain.back());
    for (auto& g : chain) {
        g.switch_to();
        CHECK(g.dead());
    }
    // Both the switch to its parent and its end lead here.
    last.switch_to();
    CHECK(!last.dead());
    last.switch_to();
    CHECK(last.dead());
}

TEST_CASE_FIXTURE(clean_end,
                  "a switch to a dead one starts its new, unstarted parent") {
    greenlet<int> dead([](int x) { return x; });
    CHECK(dead.switch_to(1) == 1);
    greenlet<int> fresh([](int x) { return 10 * x; });
    dead.set_parent(fresh);
    CHECK(dead.switch_to(4) == 40);
    CHECK(fresh.dead());
    // Now the live ancestor is main, which is here.
    CHECK(dead.switch_to(4) == 4);
}

TEST_CASE_FIXTURE(clean_end, "a start that fails, fails at each attempt") {
    greenlet<int> dead([](int x) { return x; });
    dead.switch_to(1);
    greenlet<std::string> wants_text([](std::string s) { return s; });
    dead.set_parent(wants_text);
    CHECK(errc_of([&] { dead.switch_to(1); }) == errc::value_type);
    CHECK(errc_of([&] { dead.switch_to(1); }) == errc::value_type);
    CHECK(!wants_text.dead());
    CHECK(!wants_text);
    CHECK(wants_text.switch_to("fine") == "fine");
}

TEST_CASE_FIXTURE(clean_end, "nobody becomes their own ancestor") {
    greenlet<> a([] {}), b([] {}), c([] {});
    CHECK(errc_of([&] { a.set_parent(a); }) == errc::cyclic_parent);
    b.set_parent(a);
    c.set_parent(b);
    CHECK(errc_of([&] { a.set_parent(c); }) == errc::cyclic_parent);
    CHECK(a.parent() == greenlet<>::current());
    greenlet<> inside([&] {
        const auto me = greenlet<>::current();
        CHECK(errc_of([&] { greenlet<>::current().set_parent(me); }) ==
              errc::cyclic_parent);
    });
    inside.switch_to();
}

TEST_CASE_FIXTURE(clean_end, "main and spawned fibers have no parent to be set") {
    greenlet<> g([] {});
    auto main = greenlet<>::current();
    CHECK(errc_of([&] { main.set_parent(g); }) == errc::bad_argument);
    CHECK(errc_of([&] { main.set_parent(main); }) == errc::bad_argument);
    spawn([&] {
        CHECK(errc_of([&] { greenlet<>::current().set_parent(g); }) ==
              errc::bad_argument);
    }).wait();
}

TEST_CASE_FIXTURE(clean_end,
                  "an empty parent is refused before, while and after running") {
    static_assert(
        !std::is_invocable_v<decltype(&greenlet_ref::set_parent), greenlet_ref&, int>);
    greenlet<> g(to_parent);
    const auto main = greenlet<>::current();
    auto refused = [&] {
        const bool by_set = errc_of([&] { g.set_parent({}); }) == errc::bad_argument;
        return by_set && g.parent() == main;
    };
    CHECK(refused());
    g.switch_to();
    CHECK(refused());
    g.switch_to();
    CHECK(g.dead());
    CHECK(refused());
    CHECK(errc_of([&] { greenlet<>().set_parent(g); }) == errc::bad_argument);
    CHECK(errc_of([] { greenlet<> none([] {}, greenlet<>()); }) == errc::bad_argument);
}

TEST_CASE_FIXTURE(clean_end, "a long chain of parents goes without a deep recursion") {
    greenlet<> last([] {});
    for (int i = 0; i < 2000; ++i) last = greenlet<>([] {}, last);
    greenlet<>([&] { last = {}; }).switch_to();
    CHECK(last == greenlet<>());
}

TEST_SUITE_END();
