// SPDX-License-Identifier: BSL-1.0
#include <tendril/sync/detail/ring.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <random>

#include "../support/counted.hpp"
#include <doctest/doctest.h>

using tendril::detail::ring;
using tendril::test::clean_items;
using tendril::test::counted;

namespace {

template <class T>
void grow(ring<T>& r) {
    r.move_into(typename ring<T>::room(r.capacity() == 0 ? 8 : 2 * r.capacity()));
}

}  // namespace

TEST_SUITE_BEGIN("sync/detail/ring");

TEST_CASE_FIXTURE(clean_items, "a new ring has no room and holds no memory") {
    const ring<counted> r;
    CHECK(r.size() == 0);
    CHECK(r.capacity() == 0);
}

TEST_CASE_FIXTURE(clean_items,
                  "what is pushed comes out in order, from any beginning") {
    for (int begin = 0; begin < 8; ++begin) {
        ring<counted> r;
        grow(r);
        for (int i = 0; i < begin; ++i) {
            r.push(counted(0));
            r.pop();
        }
        for (int i = 0; i < 8; ++i) r.push(counted(i));
        CHECK(r.size() == 8);
        for (int i = 0; i < 8; ++i) CHECK(r.pop().value() == i);
        CHECK(r.size() == 0);
    }
}

TEST_CASE_FIXTURE(clean_items, "growth keeps the order, wherever the items wrap") {
    for (int begin = 0; begin < 8; ++begin) {
        ring<counted> r;
        grow(r);
        for (int i = 0; i < begin; ++i) {
            r.push(counted(0));
            r.pop();
        }
        for (int i = 0; i < 8; ++i) r.push(counted(i));
        grow(r);
        CHECK(r.capacity() == 16);
        CHECK(counted::alive() == 8);
        for (int i = 8; i < 16; ++i) r.push(counted(i));
        for (int i = 0; i < 16; ++i) CHECK(r.pop().value() == i);
    }
}

TEST_CASE_FIXTURE(clean_items, "items left in a ring go with it") {
    {
        ring<counted> r;
        grow(r);
        for (int i = 0; i < 5; ++i) r.push(counted(i));
        r.pop();
        CHECK(counted::alive() == 4);
    }
    CHECK(counted::alive() == 0);
}

TEST_CASE_FIXTURE(clean_items, "a room that is never used is given back whole") {
    ring<counted>::room unused(64);
    ring<counted>::room other(std::move(unused));
    other = ring<counted>::room(8);
    ring<counted> r;
    other = r.move_into(std::move(other));
    CHECK(r.capacity() == 8);
}

TEST_CASE_FIXTURE(clean_items, "items of large alignment stand where they must") {
    struct alignas(128) wide {
        std::array<char, 128> bytes{};
    };

    ring<wide> r;
    grow(r);
    for (int i = 0; i < 8; ++i) r.push(wide{});
    grow(r);
    for (int i = 0; i < 8; ++i) {
        const wide w = r.pop();
        CHECK(reinterpret_cast<std::uintptr_t>(&w) % 128 == 0);
    }
}

TEST_CASE_FIXTURE(clean_items, "a hundred thousand random steps do what a deque does") {
    std::mt19937 random(20240501);
    ring<counted> r;
    std::deque<int> model;
    bool same = true;
    int next = 0;
    // Long tides of more pushes or more pops, so that it is full, empty and wrapped.
    for (int step = 0; step < 100'000; ++step) {
        const bool rising = (step / 1000) % 2 == 0;
        const bool push = random() % 8 < (rising ? 5U : 3U);
        if (push && model.size() < 500) {
            if (r.size() == r.capacity()) grow(r);
            r.push(counted(next));
            model.push_back(next++);
        } else if (!model.empty()) {
            same = same && r.pop().value() == model.front();
            model.pop_front();
        }
        same = same && r.size() == model.size() && r.size() <= r.capacity() &&
               counted::alive() == static_cast<int>(model.size());
    }
    CHECK(same);
    CHECK(next > 10'000);
    CHECK(r.capacity() >= 256);
}
