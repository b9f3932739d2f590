// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/greenlet.hpp>
#include <tendril/runtime/hub.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>
#include <tendril/runtime/trace.hpp>

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>

#include "../support/clean_end.hpp"
#include <doctest/doctest.h>

using namespace tendril;
using test::clean_end;

namespace {

void to_parent() {
    greenlet<>::current().parent().switch_to();
}

// Writes down the switches between greenlets that it has been given names for.
class chronicle {
  public:
    void name(const greenlet_ref& g, std::string text) {
        names_[g.id()] = std::move(text);
    }

    tracer as_tracer() {
        return [this](trace_event e, std::uint64_t from, std::uint64_t to) {
            text += (e == trace_event::thrown ? "throw " : "switch ") + called(from) +
                    "->" + called(to) + "; ";
        };
    }

    std::string text;

  private:
    std::string called(std::uint64_t id) {
        const auto found = names_.find(id);
        return found != names_.end() ? found->second : "?";
    }

    std::map<std::uint64_t, std::string> names_;
};

// No tracer is left over, however the test ends.
struct trace_end {
    trace_end() = default;
    trace_end(const trace_end&) = delete;
    trace_end& operator=(const trace_end&) = delete;

    ~trace_end() { set_trace({}); }
};

class traced : public clean_end, public trace_end, public chronicle {
  public:
    traced() { name(greenlet<>::current(), "main"); }
};

}  // namespace

TEST_SUITE_BEGIN("runtime/trace");

TEST_CASE_FIXTURE(traced, "the tracer sees each switch, and which of them throw") {
    greenlet<> g1([] {}), g2([] { throw std::runtime_error("g2's"); });
    name(g1, "g1");
    name(g2, "g2");
    set_trace(as_tracer());
    g1.switch_to();
    CHECK(text == "switch main->g1; switch g1->main; ");
    text.clear();
    CHECK_THROWS_AS(g2.switch_to(), std::runtime_error);
    CHECK(text == "switch main->g2; throw g2->main; ");
    text.clear();
    greenlet<> g3(to_parent);
    name(g3, "g3");
    g3.switch_to();
    g3.throw_in();
    CHECK(text ==
          "switch main->g3; switch g3->main; throw main->g3; switch g3->main; ");
    text.clear();
    set_trace({});
    greenlet<> g4([] {});
    g4.switch_to();
    CHECK(text == "");
}

TEST_CASE_FIXTURE(traced, "set_trace returns the tracer before") {
    int first = 0, second = 0;
    CHECK(!set_trace([&](auto...) { ++first; }));
    tracer before = set_trace([&](auto...) { ++second; });
    REQUIRE(before);
    before(trace_event::switched, 0, 0);
    CHECK(first == 1);
    greenlet<> g([] {});
    g.switch_to();
    CHECK(first == 1);
    CHECK(second == 2);
    // The same one set twice is called once a switch.
    auto counter = [&](auto...) { ++first; };
    set_trace(counter);
    set_trace(counter);
    greenlet<>([] {}).switch_to();
    CHECK(first == 3);
}

TEST_CASE_FIXTURE(traced, "fibers and the hub's loop are links of the same chain") {
    auto f = spawn([] { tendril::yield(); });
    const std::uint64_t main = greenlet<>::current().id();
    std::uint64_t last = main;
    std::set<std::uint64_t> seen;
    set_trace([&](trace_event e, std::uint64_t from, std::uint64_t to) {
        CHECK(e == trace_event::switched);
        CHECK(from == last);
        seen.insert(last = to);
    });
    hub::current().call_soon([] {});
    f.wait();
    set_trace({});
    CHECK(last == main);
    CHECK(seen.count(f.id()) == 1);
    CHECK(seen.size() == 3);
}

TEST_CASE_FIXTURE(traced, "a kill is an event of the kind thrown") {
    auto f = spawn([] { tendril::sleep(forever); });
    tendril::yield();
    name(greenlet<>::current(), "main");
    std::string events;
    set_trace([&](trace_event e, std::uint64_t, std::uint64_t to) {
        if (to == f.id()) events += e == trace_event::thrown ? 't' : 's';
    });
    f.kill();
    set_trace({});
    CHECK(events == "t");
    CHECK(f.done());
}

TEST_CASE_FIXTURE(traced,
                  "a tracer that throws is taken out, and its target gets the error") {
    auto throws_always = [](auto...) { throw std::runtime_error("tracer's"); };
    bool ran = false;
    greenlet<> g([&] { ran = true; });
    set_trace(throws_always);
    // Thrown on arrival in g, before its body; from there on to the parent.
    CHECK_THROWS_WITH_AS(g.switch_to(), "tracer's", std::runtime_error);
    CHECK(!ran);
    CHECK(g.dead());
    CHECK(!set_trace({}));

    std::string order;
    greenlet<> h([&] {
        order += "1";
        try {
            to_parent();
        } catch (const std::runtime_error& e) {
            order += e.what();
        }
    });
    h.switch_to();
    set_trace(throws_always);
    h.switch_to();
    CHECK(order == "1tracer's");
    CHECK(h.dead());
    CHECK(!set_trace({}));
}

TEST_CASE_FIXTURE(traced, "a tracer's error takes the place of the one on its way") {
    greenlet<> g([] { throw std::logic_error("g's"); });
    const std::uint64_t main = greenlet<>::current().id();
    set_trace([main](trace_event, std::uint64_t, std::uint64_t to) {
        if (to == main) throw std::runtime_error("tracer's");
    });
    CHECK_THROWS_WITH_AS(g.switch_to(), "tracer's", std::runtime_error);
    // It does not come back at some later switch.
    greenlet<> innocent([] {});
    innocent.switch_to();
    CHECK(innocent.dead());
}

TEST_CASE_FIXTURE(traced, "what a tracer throws in the hub's switches is reported") {
    bool ran = false;
    auto f = spawn([&] { ran = true; });
    set_trace([](auto...) { throw std::runtime_error("tracer's"); });
    f.wait();
    CHECK(ran);
    REQUIRE(reported.size() == 1);
    CHECK(reported[0] == "a tracer: std::runtime_error: tracer's");
    reported.clear();
    greenlet<> innocent([] {});
    innocent.switch_to();
    // The same, where the hub's own loop is the one arrived at.
    set_trace([](auto...) { throw std::runtime_error("in the loop"); });
    hub::current().call_soon([] {});
    tendril::yield();
    CHECK(!set_trace({}));
    REQUIRE(reported.size() == 1);
    CHECK(reported[0] == "a tracer: std::runtime_error: in the loop");
    reported.clear();
    greenlet<>([] {}).switch_to();
}

TEST_CASE_FIXTURE(traced, "an error thrown where switch_out is left by a raw switch") {
    const std::uint64_t main = greenlet<>::current().id();
    auto me = greenlet<>::current();
    hub::current().call_soon([me, main]() mutable {
        set_trace([main](trace_event, std::uint64_t, std::uint64_t to) {
            if (to == main) throw std::runtime_error("tracer's");
        });
        me.switch_to();
    });
    CHECK_THROWS_WITH_AS(hub::current().switch_out(), "tracer's", std::runtime_error);
}

TEST_CASE_FIXTURE(traced, "a tracer may take itself out while it runs") {
    int calls = 0;
    auto token = std::make_shared<int>(7);
    set_trace([&calls, token](auto...) {
        ++calls;
        set_trace({});
        calls += *token;  // still ours: the callable is not gone while it runs
    });
    greenlet<>([] {}).switch_to();
    CHECK(calls == 8);
    CHECK(token.use_count() == 1);
}

TEST_CASE_FIXTURE(traced, "a tracer's own state lives from call to call") {
    int last = 0;
    set_trace([&last, n = 0](auto...) mutable { last = ++n; });
    greenlet<> g([] {});
    g.switch_to();
    CHECK(last == 2);
}

TEST_CASE_FIXTURE(traced,
                  "a tracer that switches two greenlets keeps their values right") {
    greenlet<int> echo([](int x) {
        for (;;) x = greenlet<int>::current().parent().switch_to(x);
    });
    CHECK(echo.switch_to(0) == 0);
    greenlet<int> g([](int x) {
        x = greenlet<int>::current().parent().switch_to(x + 1);
        return x + 2;
    });
    int detours = 0;
    bool inside = false;
    set_trace([&](auto...) {
        if (inside) return;
        inside = true;
        // The way back leads here, whoever is current.
        echo.set_parent(greenlet<>::current());
        CHECK(echo.switch_to(100 + detours) == 100 + detours);
        ++detours;
        inside = false;
    });
    CHECK(g.switch_to(10) == 11);
    CHECK(g.switch_to(20) == 22);
    set_trace({});
    CHECK(detours == 4);
    CHECK(g.dead());
}

TEST_CASE_FIXTURE(traced, "a tracer that switches lets an exception in flight arrive") {
    greenlet<> detour([] {
        for (;;) to_parent();
    });
    detour.switch_to();
    bool inside = false;
    set_trace([&](auto...) {
        if (inside) return;
        inside = true;
        detour.set_parent(greenlet<>::current());
        detour.switch_to();
        inside = false;
    });
    greenlet<> g([] { throw std::runtime_error("g's"); });
    CHECK_THROWS_WITH_AS(g.switch_to(), "g's", std::runtime_error);
    std::string got;
    greenlet<> h([&] {
        try {
            to_parent();
        } catch (const std::runtime_error& e) {
            got = e.what();
        }
    });
    h.switch_to();
    h.throw_in(std::runtime_error("for h"));
    CHECK(got == "for h");
    auto f = spawn([] { tendril::sleep(forever); });
    tendril::yield();
    f.kill();
    CHECK(f.done());
    set_trace({});
}

TEST_CASE_FIXTURE(traced, "three greenlets that switch from within the tracer") {
    // g1 is left in its own tracer call, and resumed there by g3.
    std::string order;
    greenlet<> g1, g2, g3;
    g1 = greenlet<>([&] { order += "g1 "; });
    g2 = greenlet<>([&] {
        order += "g2 ";
        g3.switch_to();
        order += "never";
    });
    g3 = greenlet<>([&] {
        order += "g3 ";
        g1.switch_to();
        order += "never";
    });
    bool first = true;
    const std::uint64_t id = g1.id();
    set_trace([&](trace_event, std::uint64_t, std::uint64_t to) {
        if (to != id || !std::exchange(first, false)) return;
        order += "traced ";
        g2.switch_to();
        order += "back ";
    });
    g1.switch_to();
    set_trace({});
    CHECK(order == "traced g2 g3 back g1 ");
    CHECK(g1.dead());
}

TEST_CASE_FIXTURE(traced,
                  "one switched to again while its start hangs is just resumed") {
    std::string order;
    greenlet<int> g([&](int x) {
        order += "body" + std::to_string(x);
        return x;
    });
    greenlet<> main = greenlet<>::current();
    bool first = true;
    set_trace([&, id = g.id()](trace_event, std::uint64_t, std::uint64_t to) {
        if (to == id && std::exchange(first, false)) main.switch_to();
    });
    CHECK(g.switch_to(1) == 0);
    CHECK(order == "");
    CHECK(!g.dead());
    set_trace({});
    // It waits in the tracer, where a value is of no use; its body has the first.
    CHECK(g.switch_to(2) == 1);
    CHECK(order == "body1");
    CHECK(g.dead());
}

TEST_CASE_FIXTURE(traced,
                  "the tracer sees a drop in flight after the switch it is part of") {
    greenlet<> main = greenlet<>::current(), g;
    g = greenlet<>([&] {
        g = {};
        main.switch_to();
    });
    name(g, "g");
    set_trace(as_tracer());
    g.switch_to();
    set_trace({});
    CHECK(text == "switch main->g; switch g->main; throw main->g; switch g->main; ");
}

TEST_SUITE_END();
