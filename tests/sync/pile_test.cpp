// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/fiber.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>
#include <tendril/runtime/timeout.hpp>
#include <tendril/sync/event.hpp>
#include <tendril/sync/pile.hpp>
#include <tendril/sync/pool.hpp>
#include <tendril/test/virtual_time.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "../support/errc_of.hpp"
#include "../support/other_thread.hpp"
#include <doctest/doctest.h>

using namespace std::chrono_literals;
using namespace tendril;
using test::clean_end;
using test::clean_end_of_threads;
using test::errc_of;
using test::virtual_time;

namespace {

std::vector<int> all_of(pile<int>& p) {
    std::vector<int> results;
    for (const int r : p) results.push_back(r);
    return results;
}

int after_seconds(int result, int seconds) {
    sleep(std::chrono::seconds(seconds));
    return result;
}

struct token {
    std::size_t producer;
    int number;
};

struct stressed : std::runtime_error {
    explicit stressed(token t) : std::runtime_error("stressed"), carried(t) {}

    token carried;
};

}  // namespace

TEST_SUITE_BEGIN("sync/pile");

TEST_CASE_FIXTURE(clean_end, "results come in the order of the spawns") {
    virtual_time time;
    pile<int> p(3);
    for (int i = 0; i < 6; ++i) p.spawn(after_seconds, i, 6 - i);
    CHECK(all_of(p) == std::vector<int>{0, 1, 2, 3, 4, 5});
}

TEST_CASE_FIXTURE(clean_end, "a pile with nothing in it is at its end at once") {
    pile<int> p(3);
    bool other_ran = false;
    const auto other = spawn([&] { other_ran = true; });
    CHECK(all_of(p).empty());
    CHECK_FALSE(other_ran);
    other.wait();
}

TEST_CASE_FIXTURE(clean_end, "each result is given out once and more may follow") {
    pile<int> p(3);
    p.spawn([] { return 1; });
    CHECK(all_of(p) == std::vector<int>{1});
    CHECK(all_of(p).empty());
    p.spawn([] { return 2; });
    CHECK(all_of(p) == std::vector<int>{2});
}

TEST_CASE_FIXTURE(clean_end, "several piles share one pool") {
    virtual_time time;
    pool shared(2);
    pile<int> a(shared), b(shared);
    for (int i = 0; i < 4; ++i) {
        a.spawn(after_seconds, i, 1 + i % 2);
        b.spawn(after_seconds, 10 + i, 2 - i % 2);
        CHECK(shared.running() <= 2);
    }
    CHECK(all_of(b) == std::vector<int>{10, 11, 12, 13});
    CHECK(all_of(a) == std::vector<int>{0, 1, 2, 3});
}

TEST_CASE_FIXTURE(clean_end,
                  "a spawn that runs out of time leaves the pile as it was") {
    virtual_time time;
    pile<int> p(2);
    p.spawn(after_seconds, 1, 5);
    p.spawn(after_seconds, 2, 5);
    CHECK_FALSE(timeout::silent(1s, [&] { p.spawn(after_seconds, 3, 0); }));
    p.spawn(after_seconds, 4, 0);
    CHECK(all_of(p) == std::vector<int>{1, 2, 4});
}

TEST_CASE_FIXTURE(clean_end, "a time limit of the iteration loses no result") {
    virtual_time time;
    pile<int> p(2);
    p.spawn(after_seconds, 1, 5);
    p.spawn(after_seconds, 2, 8);
    std::vector<int> got;
    CHECK_FALSE(timeout::silent(1s, [&] { got = all_of(p); }));
    CHECK_FALSE(timeout::silent(5s, [&] {
        for (const int r : p) got.push_back(r);
    }));
    CHECK(got == std::vector<int>{1});
    for (const int r : p) got.push_back(r);
    CHECK(got == std::vector<int>{1, 2});
}

TEST_CASE_FIXTURE(clean_end, "a result passed over by ++ is not given out again") {
    virtual_time time;
    pile<int> p(2);
    p.spawn(after_seconds, 1, 5);
    p.spawn(after_seconds, 2, 5);
    auto i = p.begin();
    CHECK(*i == 1);
    ++i;
    CHECK(all_of(p) == std::vector<int>{2});
    p.spawn(after_seconds, 3, 5);
    ++i;
    CHECK(i == p.end());
    CHECK(errc_of([&] { ++i; }) == errc::unset);
    CHECK(errc_of([&] { *i; }) == errc::unset);
}

TEST_CASE_FIXTURE(clean_end, "an error comes in its own place") {
    pile<int> p;
    p.spawn([] { return 1; });
    p.spawn([]() -> int { throw std::runtime_error("second"); });
    p.spawn([] { return 3; });
    auto i = p.begin();
    CHECK(*i == 1);
    ++i;
    CHECK_THROWS_AS(*i, std::runtime_error);
    ++i;
    CHECK(*i == 3);
    ++i;
    CHECK(i == p.end());
}

TEST_CASE_FIXTURE(clean_end, "while others wait to spawn the iteration is not over") {
    pile<int> p(1);
    event<> go_on;
    auto producer = spawn([&] {
        p.spawn([] { return 1; });
        p.spawn([&] {
            go_on.wait();
            return 2;
        });
        p.spawn([] { return 3; });
    });
    auto sender = spawn([&] {
        for (int i = 0; i < 10; ++i) yield();
        go_on.send();
    });
    yield();
    CHECK(all_of(p) == std::vector<int>{1, 2, 3});
    producer.wait();
    sender.wait();
}

TEST_CASE_FIXTURE(clean_end, "when those who would have spawned are killed it ends") {
    pool shared(1);
    pile<int> p(shared);
    auto holds = shared.spawn([] { sleep(forever); });
    auto producer = spawn([&] { p.spawn([] { return 1; }); });
    yield();
    std::optional<std::size_t> count;
    auto consumer = spawn([&] { count = all_of(p).size(); });
    yield();
    CHECK_FALSE(consumer.done());
    producer.kill();
    consumer.wait();
    CHECK(count == 0);
    holds.kill();
}

TEST_CASE_FIXTURE(clean_end, "a member of the full pool may pile up in it") {
    pile<int> p(1);
    std::vector<int> got;
    pile<int> outer(1);
    pool shared(1);
    auto member = shared.spawn([&] {
        pile<int> inner(shared);
        for (int i = 0; i < 3; ++i) inner.spawn([i] { return i; });
        return all_of(inner);
    });
    CHECK(member.wait() == std::vector<int>{0, 1, 2});
}

// Of some thousand tokens half are thrown, and none may get ahead of one that its
// producer spawned before.
TEST_CASE_FIXTURE(clean_end,
                  "three producers of a thousand: the order of each is kept") {
    for (const std::ptrdiff_t concurrency : {5, 50}) {
        constexpr int count = 1000;
        std::mt19937 random(static_cast<unsigned>(concurrency));
        pile<token> p(concurrency);
        const auto pressure = [&random](token t) {
            for (auto turns = random() % 4; turns > 0; --turns) yield();
            if (random() % 2 == 0) throw stressed(t);
            return t;
        };
        std::vector<fiber<>> producers;
        p.spawn(pressure, token{0, 0});
        for (std::size_t n = 1; n <= 3; ++n) {
            producers.push_back(spawn([&p, &pressure, n] {
                for (int i = 0; i < count; ++i) p.spawn(pressure, token{n, i});
            }));
        }
        yield();
        std::array<int, 4> latest{-1, -1, -1, -1};
        int out_of_order = 0, received = 0;
        for (auto i = p.begin(); i != p.end(); ++i) {
            const token t = [&] {
                try {
                    return *i;
                } catch (const stressed& e) {
                    return e.carried;
                }
            }();
            if (t.number != latest[t.producer] + 1) ++out_of_order;
            latest[t.producer] = t.number;
            if (++received % 5 == 0) yield();
        }
        CHECK(out_of_order == 0);
        CHECK(received == 3 * count + 1);
        CHECK(latest == std::array<int, 4>{0, count - 1, count - 1, count - 1});
        for (const auto& producer : producers) producer.wait();
    }
}

TEST_CASE_FIXTURE(clean_end, "results convert and may be movable only") {
    pile<std::string> texts(2);
    texts.spawn([] { return "text"; });
    for (std::string& s : texts) CHECK(s == "text");
    pile<std::unique_ptr<int>> pointers(2);
    pointers.spawn([](std::unique_ptr<int> given) { return given; },
                   std::make_unique<int>(4));
    std::unique_ptr<int> got;
    for (auto& r : pointers) got = std::move(r);
    CHECK(*got == 4);
}

TEST_CASE_FIXTURE(clean_end_of_threads, "on another thread it is refused") {
    pile<int> p(2);
    std::optional<errc> spawned, looked;
    test::on_other_thread([&] {
        spawned = errc_of([&] { p.spawn([] { return 1; }); });
        looked = errc_of([&] { static_cast<void>(p.begin() == p.end()); });
    });
    CHECK(spawned == errc::wrong_thread);
    CHECK(looked == errc::wrong_thread);
}

TEST_CASE_FIXTURE(clean_end,
                  "piles of less than nothing and null functions are errors") {
    CHECK(errc_of([] { pile<int>(-1); }) == errc::bad_argument);
    pile<int> p(1);
    CHECK(errc_of([&] { p.spawn(std::function<int()>()); }) == errc::bad_argument);
    CHECK(all_of(p).empty());
}

TEST_SUITE_END();
