// greenlet_state_test.cpp - what a greenlet says of itself, and where it may be seen.
//
// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/greenlet.hpp>

#include <string>
#include <vector>

#include "../support/clean_end.hpp"
#include <doctest/doctest.h>
#include <execinfo.h>

using namespace tendril;
using test::clean_end;

namespace {

bool ends_with(const std::string& text, const std::string& end) {
    return text.size() >= end.size() &&
           text.compare(text.size() - end.size(), end.size(), end) == 0;
}

// Frames from here to the greenlet's entry, after `depth` calls more.
[[gnu::noinline]] int frames_at(int depth, volatile int& barrier) {
    if (depth > 0) {
        const int found = frames_at(depth - 1, barrier);
        barrier = found;  // keeps this frame: no tail call
        return found;
    }
    std::vector<void*> frames(400);
    return backtrace(frames.data(), static_cast<int>(frames.size()));
}

}  // namespace

TEST_SUITE_BEGIN("runtime/greenlet state");

TEST_CASE_FIXTURE(clean_end, "repr and the flags tell each state from the others") {
    std::string inside;
    bool active_inside = false;
    greenlet<> g([&] {
        inside = greenlet<>::current().repr();
        active_inside = static_cast<bool>(greenlet<>::current());
        greenlet<>::current().parent().switch_to();
    });
    CHECK(ends_with(g.repr(), ", pending"));
    CHECK(g.repr().rfind("greenlet " + std::to_string(g.id()) + " (made at ", 0) == 0);
    CHECK(g.repr().find("greenlet_state_test.cpp:") != std::string::npos);
    CHECK(!g);
    CHECK(!g.dead());
    g.switch_to();
    CHECK(ends_with(inside, ", current"));
    CHECK(active_inside);
    CHECK(ends_with(g.repr(), ", suspended"));
    CHECK(static_cast<bool>(g));
    CHECK(!g.dead());
    g.switch_to();
    CHECK(ends_with(g.repr(), ", dead"));
    CHECK(!g);
    CHECK(g.dead());
}

TEST_CASE_FIXTURE(clean_end, "main is a greenlet that has started and has no parent") {
    const auto main = greenlet<>::current();
    CHECK(static_cast<bool>(main));
    CHECK(!main.dead());
    CHECK(main.parent() == greenlet<>());
    CHECK(main.repr().rfind("main fiber ", 0) == 0);
    CHECK(ends_with(main.repr(), ", current"));
    greenlet<> g([&] { CHECK(ends_with(main.repr(), ", suspended")); });
    g.switch_to();
}

TEST_CASE_FIXTURE(clean_end, "the parent is whoever makes a greenlet") {
    const auto main = greenlet<>::current();
    greenlet<> outer([&] {
        greenlet<> inner([] {});
        CHECK(inner.parent() == greenlet<>::current());
        CHECK(greenlet<>::current().parent() == main);
    });
    CHECK(outer.parent() == main);
    outer.switch_to();
    CHECK(outer.parent() == main);
}

TEST_CASE_FIXTURE(clean_end, "a backtrace in a greenlet ends at its entry") {
    volatile int barrier = 0;
    int shallow = 0, deep = 0;
    frames_at(0, barrier);  // loads the unwinder
    greenlet<> g([&] {
        shallow = frames_at(0, barrier);
        greenlet<>::current().parent().switch_to();
        deep = frames_at(20, barrier);
    });
    g.switch_to();
    g.switch_to();
    CHECK(shallow > 0);
    CHECK(shallow < 20);
    CHECK(deep == shallow + 20);
}

TEST_CASE_FIXTURE(clean_end,
                  "a thousand greenlets made and dropped leave no stack behind") {
    auto& h = hub::current();
    const std::size_t before = h.stacks_in_use();
    auto visit = [](bool start, bool finish) {
        greenlet<> g([] { greenlet<>::current().parent().switch_to(); });
        if (start) g.switch_to();
        if (finish) g.switch_to();
        if (finish) CHECK(g.dead());
    };
    for (int i = 0; i < 1000; ++i) {
        visit(i % 4 != 0, i % 4 == 1);
        CHECK(h.stacks_in_use() == before);
    }
    // All alive at once, dropped in the order made, and backwards.
    for (int round = 0; round < 2; ++round) {
        std::vector<greenlet<>> many;
        for (int i = 0; i < 1000; ++i) {
            many.emplace_back([] { greenlet<>::current().parent().switch_to(); });
            many.back().switch_to();
        }
        CHECK(h.stacks_in_use() == before + 1000);
        if (round == 0) {
            for (auto& g : many) g = {};
        } else {
            while (!many.empty()) many.pop_back();
        }
        CHECK(h.stacks_in_use() == before);
    }
}

TEST_SUITE_END();
