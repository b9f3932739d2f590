// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/fiber.hpp>
#include <tendril/runtime/hub.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>
#include <tendril/sync/queue.hpp>
#include <tendril/test/virtual_time.hpp>

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "../support/counted.hpp"
#include "../support/errc_of.hpp"
#include <doctest/doctest.h>

using namespace std::chrono_literals;
using namespace tendril;
using test::clean_items;
using test::counted;
using test::errc_of;
using test::virtual_time;

namespace {

std::vector<int> drain(queue<int>& q) {
    std::vector<int> items;
    while (const auto item = q.try_get()) items.push_back(*item);
    return items;
}

}  // namespace

TEST_SUITE_BEGIN("sync/queue");

TEST_CASE_FIXTURE(clean_items, "items come out in the order they went in") {
    queue<int> q;
    CHECK(q.empty());
    CHECK(q.capacity() == unbounded);
    for (int i = 0; i < 100; ++i) q.put(i);
    CHECK(q.size() == 100);
    CHECK(!q.full());
    for (int i = 0; i < 100; ++i) CHECK(q.get() == i);
    CHECK(q.empty());
}

TEST_CASE_FIXTURE(clean_items, "a putter stops at a full queue until there is room") {
    queue<char> q(2);
    std::string put;
    auto putter = spawn([&] {
        for (const char c : {'a', 'b', 'c', 'd'}) {
            q.put(c);
            put += c;
        }
    });
    yield();
    CHECK(put == "ab");
    CHECK(q.full());
    CHECK(q.putting_count() == 1);
    CHECK(q.get() == 'a');
    CHECK(q.full());
    yield();
    CHECK(put == "abc");
    CHECK(q.get() == 'b');
    putter.wait();
    CHECK(put == "abcd");
    CHECK(q.get() == 'c');
    CHECK(q.get() == 'd');
    CHECK(q.empty());
}

TEST_CASE_FIXTURE(clean_items, "getters are served in the order they came") {
    queue<int> q;
    std::vector<fiber<int>> getters;
    for (int i = 0; i < 4; ++i) getters.push_back(spawn([&] { return q.get(); }));
    yield();
    CHECK(q.getting_count() == 4);
    for (int i = 0; i < 4; ++i) q.put(i);
    CHECK(q.empty());
    CHECK(q.getting_count() == 0);
    for (int i = 0; i < 4; ++i) {
        CHECK(getters[static_cast<std::size_t>(i)].wait() == i);
    }
}

TEST_CASE_FIXTURE(clean_items, "putters are served in the order they came") {
    queue<int> q(1);
    q.put(0);
    std::vector<fiber<>> putters;
    for (int i = 1; i < 5; ++i) putters.push_back(spawn([&q, i] { q.put(i); }));
    yield();
    CHECK(q.putting_count() == 4);
    for (int i = 0; i < 5; ++i) {
        CHECK(q.get() == i);
        yield();
    }
    CHECK(q.putting_count() == 0);
}

TEST_CASE_FIXTURE(clean_items, "nobody takes an item on its way to a getter") {
    queue<int> q;
    auto getter = spawn([&] { return q.get(); });
    yield();
    q.put(1);
    CHECK(q.try_get() == std::nullopt);
    CHECK(q.get_for(0s) == std::nullopt);
    CHECK(getter.wait() == 1);
}

TEST_CASE_FIXTURE(clean_items, "nobody takes the room that a putter waits for") {
    queue<int> q(1);
    q.put(1);
    auto putter = spawn([&] { q.put(2); });
    yield();
    CHECK(q.get() == 1);
    CHECK(!q.try_put(3));
    CHECK(!q.put_for(3, 0s));
    CHECK(putter.done());
    CHECK(drain(q) == std::vector{2});
}

TEST_CASE_FIXTURE(clean_items, "the try forms never park and say whether it worked") {
    queue<int> q(1);
    CHECK(q.try_get() == std::nullopt);
    CHECK(q.try_put(1));
    CHECK(!q.try_put(2));
    CHECK(q.try_get() == 1);
    auto getter = spawn([&] { return q.get(); });
    yield();
    CHECK(q.try_put(3));
    CHECK(getter.wait() == 3);
}

TEST_CASE_FIXTURE(clean_items, "a put that fails leaves the item with the caller") {
    virtual_time time;
    queue<counted> q(1);
    q.put(counted(1));
    counted mine(2);
    CHECK(!q.try_put(std::move(mine)));
    CHECK(mine.value() == 2);
    CHECK(!q.put_for(std::move(mine), 1s));
    CHECK(mine.value() == 2);
    CHECK(!q.put_until(std::move(mine), hub::current().now()));
    CHECK(mine.value() == 2);
    auto killed = spawn([&] { q.put(std::move(mine)); });
    yield();
    killed.kill();
    CHECK(mine.value() == 2);
    CHECK(q.get().value() == 1);
    CHECK(q.empty());
}

TEST_CASE_FIXTURE(clean_items, "items need only be movable, those left are destroyed") {
    queue<std::unique_ptr<int>> q;
    q.put(std::make_unique<int>(1));
    CHECK(*q.get() == 1);
    queue<counted> bounded(4), rendezvous(0), all;
    for (int i = 0; i < 4; ++i) bounded.put(counted(i));
    for (int i = 0; i < 1000; ++i) all.put(counted(i));
    for (int i = 0; i < 500; ++i) CHECK(all.get().value() == i);
    CHECK(counted::alive() == 504);
}

TEST_CASE_FIXTURE(clean_items, "put copies lvalues and converts") {
    queue<std::string> q;
    const std::string text = "kept";
    q.put(text);
    q.put("literal");
    q.put(std::string(3, 'x'));
    CHECK(text == "kept");
    CHECK(q.get() == "kept");
    CHECK(q.get() == "literal");
    CHECK(q.get() == "xxx");
}

TEST_CASE_FIXTURE(clean_items, "get_for and put_for give up on time, no sooner") {
    virtual_time time;
    queue<int> q(1);
    CHECK(q.get_for(250ms) == std::nullopt);
    CHECK(time.passed() == 250ms);
    q.put(1);
    CHECK(!q.put_for(2, 250ms));
    CHECK(time.passed() == 500ms);
    CHECK(q.putting_count() == 0);
    CHECK(q.getting_count() == 0);
    hub::current().call_later(1s, [&] { q.try_get(); });
    CHECK(q.put_for(3, 2s));
    CHECK(time.passed() == 1500ms);
    CHECK(drain(q) == std::vector{3});
}

TEST_CASE_FIXTURE(clean_items, "no item is moved for a senseless duration") {
    queue<int> q(1);
    CHECK(errc_of([&] { q.put_for(1, -1ns); }) == errc::bad_argument);
    CHECK(q.empty());
    q.put(1);
    CHECK(errc_of([&] { q.get_for(-1ns); }) == errc::bad_argument);
    CHECK(q.size() == 1);
}

TEST_CASE_FIXTURE(clean_items,
                  "at the very deadline of get and put, the first counts") {
    virtual_time time;
    queue<int> q;
    auto& h = hub::current();
    h.call_later(1s, [&] { q.try_put(1); });
    CHECK(q.get_for(1s) == 1);

    auto late = spawn([&] { return q.get_for(1s); });
    yield();
    h.call_later(1s, [&] { q.try_put(2); });
    CHECK(late.wait() == std::nullopt);
    CHECK(q.get() == 2);

    queue<int> full(1);
    full.put(1);
    h.call_later(1s, [&] { full.try_get(); });
    CHECK(full.put_for(2, 1s));
    auto withdrawn = spawn([&] { return full.put_for(3, 1s); });
    yield();
    h.call_later(1s, [&] { full.try_get(); });
    CHECK(!withdrawn.wait());
    yield();
    CHECK(full.empty());
}

TEST_CASE_FIXTURE(clean_items, "callbacks may try, and end the waits of fibers") {
    queue<int> q(1), rendezvous(0);
    std::string log;
    auto putter = spawn([&] {
        rendezvous.put(5);
        log += "put ";
    });
    auto getter = spawn([&] { log += q.get() == 1 ? "got " : "lost "; });
    yield();
    std::optional<errc> get, put, joined;
    hub::current().call_soon([&] {
        CHECK(rendezvous.try_get() == 5);
        CHECK(q.try_put(1));
        CHECK(q.try_put(2));
        CHECK(!q.try_put(3));
        get = errc_of([&] { rendezvous.get(); });
        put = errc_of([&] { q.put(4); });
        joined = errc_of([&] { q.join(); });
    });
    putter.wait();
    getter.wait();
    CHECK(log == "put got ");
    CHECK(get == errc::in_hub);
    CHECK(put == errc::in_hub);
    CHECK(joined == errc::in_hub);
    CHECK(drain(q) == std::vector{2});
}

TEST_CASE_FIXTURE(clean_items, "whoever gets the last item may destroy the queue") {
    auto q = std::make_unique<queue<counted>>(1);
    auto getter = spawn([&] {
        const int got = q->get().value();
        q.reset();
        return got;
    });
    yield();
    q->put(counted(1));
    CHECK(getter.wait() == 1);
    CHECK(!q);
}
