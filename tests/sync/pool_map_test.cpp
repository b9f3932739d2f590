// pool_map_test.cpp - imap, starmap and imap_unordered.
//
// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/fiber.hpp>
#include <tendril/runtime/generator.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>
#include <tendril/runtime/timeout.hpp>
#include <tendril/sync/pool.hpp>
#include <tendril/sync/queue.hpp>
#include <tendril/test/virtual_time.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <numeric>
#include <optional>
#include <stdexcept>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "../support/at_end.hpp"
#include "../support/counted.hpp"
#include "../support/errc_of.hpp"
#include <doctest/doctest.h>

using namespace std::chrono_literals;
using namespace tendril;
using test::clean_end;
using test::clean_items;
using test::counted;
using test::errc_of;
using test::virtual_time;

namespace {

std::vector<int> first(int count) {
    std::vector<int> numbers(static_cast<std::size_t>(count));
    std::iota(numbers.begin(), numbers.end(), 0);
    return numbers;
}

int half(int n) {
    if (n % 2 != 0) throw std::invalid_argument("odd");
    return n / 2;
}

}  // namespace

TEST_SUITE_BEGIN("sync/pool maps");

TEST_CASE_FIXTURE(clean_end, "imap gives the results in the order of the items") {
    virtual_time time;
    pool p(4);
    const std::vector<int> items = first(50);
    std::vector<int> results;
    for (const int r : p.imap(
             [](int n) {
                 sleep(std::chrono::seconds((n * 7) % 5));
                 return n;
             },
             items)) {
        results.push_back(r);
    }
    CHECK(results == items);
    CHECK(p.free() == 4);
}

TEST_CASE_FIXTURE(clean_end, "an error comes in its own place and the rest follows") {
    pool p(4);
    std::string seen;
    auto results = p.imap(
        [](int n) {
            if (n == 1 || n == 7) throw std::runtime_error("r");
            return n;
        },
        first(10));
    for (auto i = results.begin(); i != results.end(); ++i) {
        try {
            seen += std::to_string(*i) + ' ';
        } catch (const std::runtime_error& e) {
            seen += e.what() + std::string(" ");
        }
    }
    CHECK(seen == "0 r 2 3 4 5 6 r 8 9 ");
}

TEST_CASE_FIXTURE(clean_end, "an error is thrown each time that it is looked at") {
    pool p(2);
    auto results = p.imap(half, first(3));
    auto i = results.begin();
    CHECK(*i == 0);
    ++i;
    CHECK_THROWS_AS(*i, std::invalid_argument);
    CHECK_THROWS_AS(*i, std::invalid_argument);
    ++i;
    CHECK(*i == 1);
    CHECK(*i == 1);
    ++i;
    CHECK(i == results.end());
}

TEST_CASE_FIXTURE(clean_end, "nothing is called before it is looked at") {
    pool p(2);
    int calls = 0;
    {
        const auto results = p.imap([&](int) { return ++calls; }, first(3));
        yield();
    }
    CHECK(calls == 0);
}

TEST_CASE_FIXTURE(clean_items,
                  "calls and results together are never more than the size") {
    pool p(4);
    int read = 0, delivered = 0, most_ahead = 0, most_alive = 0;
    generator<int> items([&](auto& give) {
        for (; read < 1000;) give(read++);
    });
    const auto take = [](int n) {
        yield();
        return counted(n);
    };
    for (const counted& c : p.imap(take, items)) {
        if (c.value() != delivered++) break;
        most_ahead = std::max(most_ahead, read - delivered);
        most_alive = std::max(most_alive, counted::alive());
    }
    CHECK(delivered == 1000);
    CHECK(most_ahead <= 4);
    CHECK(most_alive <= 8);
}

TEST_CASE_FIXTURE(clean_end, "no more run at a time than the pool has slots for") {
    pool p(3);
    int running = 0, most = 0;
    p.spawn_n([] {
        for (int i = 0; i < 10; ++i) yield();
    });
    for (const int r : p.imap(
             [&](int n) {
                 most = std::max(most, ++running);
                 const test::at_end leave{[&] { --running; }};
                 yield();
                 return n;
             },
             first(20))) {
        if (r == 0) CHECK(most == 2);
    }
    CHECK(most == 3);
    p.wait_all();
}

TEST_CASE_FIXTURE(clean_end, "without items there are no results") {
    pool p(2);
    const std::vector<int> none;
    auto results = p.imap(half, none);
    CHECK(results.begin() == results.end());
    auto any_order = p.imap_unordered(half, none);
    CHECK(any_order.begin() == any_order.end());
}

TEST_CASE_FIXTURE(clean_end, "starmap calls with the elements of tuples") {
    pool p(2);
    const std::vector<std::tuple<int, int, int>> items{{1, 2, 3}, {4, 5, 6}};
    std::vector<int> results;
    for (const int r :
         p.starmap([](int a, int b, int c) { return a * b + c; }, items)) {
        results.push_back(r);
    }
    CHECK(results == std::vector<int>{5, 26});
}

TEST_CASE_FIXTURE(clean_end, "imap_unordered gives first what is done first") {
    virtual_time time;
    pool p(3);
    const std::vector<int> seconds{5, 1, 3, 1, 9, 2};
    std::vector<int> results;
    for (const int r : p.imap_unordered(
             [](int s) {
                 sleep(std::chrono::seconds(s));
                 return s;
             },
             seconds)) {
        results.push_back(r);
    }
    CHECK(results == std::vector<int>{1, 1, 3, 5, 2, 9});
}

TEST_CASE_FIXTURE(clean_end, "imap_unordered throws an error when its turn comes") {
    pool p(4);
    int errors = 0, sum = 0;
    auto results = p.imap_unordered(half, first(10));
    for (auto i = results.begin(); i != results.end(); ++i) {
        try {
            sum += *i;
        } catch (const std::invalid_argument&) {
            ++errors;
        }
    }
    CHECK(errors == 5);
    CHECK(sum == 0 + 1 + 2 + 3 + 4);
}

TEST_CASE_FIXTURE(clean_end, "results that cannot be copied are moved out") {
    pool p(2);
    std::vector<std::unique_ptr<int>> got;
    const auto make = [](int n) { return std::make_unique<int>(n); };
    for (std::unique_ptr<int>& r : p.imap(make, first(3))) got.push_back(std::move(r));
    REQUIRE(got.size() == 3);
    CHECK(*got[2] == 2);
}

TEST_CASE_FIXTURE(clean_end, "functions without a result can be mapped too") {
    pool p(2);
    int sum = 0, times = 0;
    for ([[maybe_unused]] auto& r : p.imap([&](int n) { sum += n; }, first(5))) ++times;
    CHECK(times == 5);
    CHECK(sum == 10);
}

TEST_CASE_FIXTURE(clean_end, "a range left early ends the calls under way") {
    pool p(4);
    int begun = 0, ended = 0;
    const auto call = [&](int n) {
        ++begun;
        const test::at_end note{[&] { ++ended; }};
        if (n > 0) sleep(forever);
        return n;
    };
    for (const int r : p.imap(call, first(100))) {
        CHECK(r == 0);
        break;
    }
    CHECK(begun == 4);
    CHECK(ended == 4);
    for (const int r : p.imap_unordered(call, first(100))) {
        CHECK(r == 0);
        break;
    }
    CHECK(begun == 8);
    CHECK(ended == 8);
    CHECK(p.free() == 4);
}

TEST_CASE_FIXTURE(clean_end, "a wait that is interrupted loses no result") {
    virtual_time time;
    pool p(2);
    const auto slow = [](int n) {
        sleep(10s);
        return n;
    };
    const auto all_of = [](auto&& results) {
        std::vector<int> got;
        int interrupted = 0;
        for (auto i = results.begin();;) {
            const bool in_time = timeout::silent(3s, [&] {
                for (; i != results.end(); ++i) got.push_back(*i);
            });
            if (in_time) break;
            ++interrupted;
        }
        CHECK(interrupted == 6);
        return got;
    };
    CHECK(all_of(p.imap(slow, first(4))) == first(4));
    CHECK(all_of(p.imap_unordered(slow, first(4))) == first(4));
}

TEST_CASE_FIXTURE(clean_end, "items that have to be waited for are read once each") {
    virtual_time time;
    pool p(2);
    queue<int> items;
    const auto putter = spawn([&] {
        for (int i = 0; i < 4; ++i) {
            sleep(3s);
            items.put(i);
        }
        items.close();
    });
    std::vector<int> got;
    auto results = p.imap([](int n) { return n; }, items);
    for (auto i = results.begin();;) {
        if (timeout::silent(2s, [&] {
                for (; i != results.end(); ++i) got.push_back(*i);
            })) {
            break;
        }
    }
    putter.wait();
    CHECK(got == first(4));
}

TEST_CASE_FIXTURE(clean_end, "a member of the full pool may map in it") {
    pool p(1);
    auto member = p.spawn([&] {
        int sum = 0;
        for (const int r : p.imap([](int n) { return n; }, first(4))) sum += r;
        for (const int r : p.imap_unordered([](int n) { return n; }, first(4)))
            sum += r;
        return sum;
    });
    CHECK(member.wait() == 12);
    CHECK(p.free() == 1);
}

TEST_CASE_FIXTURE(clean_end, "an error of the items comes out of the iteration") {
    pool p(2);
    generator<int> items([](auto& give) {
        give(1);
        throw std::runtime_error("no more");
    });
    auto results = p.imap([](int n) { return n; }, items);
    auto i = results.begin();
    CHECK_THROWS_AS(static_cast<void>(i == results.end()), std::runtime_error);
    CHECK(*i == 1);
}

TEST_CASE_FIXTURE(clean_end, "a null function is refused where it is given") {
    pool p(2);
    CHECK(errc_of([&] { p.imap(std::function<int(int)>(), first(3)); }) ==
          errc::bad_argument);
}

TEST_SUITE_END();
