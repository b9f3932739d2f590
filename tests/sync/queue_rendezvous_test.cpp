// queue_rendezvous_test.cpp - capacity 0: an item goes from hand to hand.
//
// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/fiber.hpp>
#include <tendril/runtime/hub.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>
#include <tendril/runtime/timeout.hpp>
#include <tendril/sync/queue.hpp>
#include <tendril/test/virtual_time.hpp>

#include <chrono>
#include <stdexcept>
#include <string>
#include <vector>

#include "../support/counted.hpp"
#include <doctest/doctest.h>

using namespace std::chrono_literals;
using namespace tendril;
using test::clean_items;
using test::virtual_time;

namespace {

using log = std::vector<std::string>;

}  // namespace

TEST_SUITE_BEGIN("sync/queue rendezvous");

TEST_CASE_FIXTURE(clean_items,
                  "a putter waits for a getter, empty and full throughout") {
    queue<std::string> q(0);
    const auto both = [&] { return q.empty() && q.full() && q.size() == 0; };
    CHECK(both());
    auto sender = spawn([&] {
        q.put("hi");
        CHECK(both());
    });
    yield();
    CHECK(!sender.done());
    CHECK(both());
    CHECK(q.putting_count() == 1);
    auto receiver = spawn([&] { return q.get(); });
    CHECK(receiver.wait() == "hi");
    CHECK(both());
    sender.wait();
    CHECK(both());
    CHECK(!q.try_put("nobody"));
}

TEST_CASE_FIXTURE(clean_items, "resizing it to 1 or unbounded frees the putter") {
    for (const std::size_t capacity : {std::size_t{1}, unbounded}) {
        queue<std::string> q(0);
        auto sender = spawn([&] { q.put("hi"); });
        yield();
        CHECK(!sender.done());
        q.resize(capacity);
        CHECK(!sender.done());
        yield();
        CHECK(sender.done());
        CHECK(q.capacity() == capacity);
        CHECK(q.size() == 1);
        CHECK(q.get() == "hi");
    }
}

TEST_CASE_FIXTURE(clean_items, "the sender goes on after the receiver has had it") {
    queue<std::string> channel(0);
    log events;
    auto receiver = spawn([&] {
        events.push_back(channel.get());
        events.push_back(channel.get());
    });
    events.push_back("sending");
    channel.put("hello");
    events.push_back("sent hello");
    channel.put("world");
    events.push_back("sent world");
    CHECK(events == log{"sending", "hello", "sent hello", "world", "sent world"});
    receiver.wait();
}

TEST_CASE_FIXTURE(clean_items, "the receiver has its turn before more is sent") {
    queue<std::string> channel(0);
    log events;
    auto sender = spawn([&] {
        events.push_back("sending hello");
        channel.put("hello");
        events.push_back("sending world");
        channel.put("world");
        events.push_back("sent world");
    });
    events.push_back("waiting");
    events.push_back(channel.get());
    events.push_back(channel.get());
    CHECK(events == log{"waiting", "sending hello", "hello", "sending world", "world"});
    yield();
    CHECK(events.back() == "sent world");
    sender.wait();
}

TEST_CASE_FIXTURE(clean_items, "three getters and three putters meet in order") {
    queue<int> channel(0);
    std::vector<fiber<int>> getters;
    for (int i = 0; i < 3; ++i) getters.push_back(spawn([&] { return channel.get(); }));
    yield();
    CHECK(channel.getting_count() == 3);
    std::vector<fiber<>> putters;
    for (int i = 1; i <= 3; ++i) putters.push_back(spawn([&, i] { channel.put(i); }));
    for (const auto& p : putters) p.wait();
    CHECK(channel.getting_count() == 0);
    CHECK(getters[0].wait() == 1);
    CHECK(getters[1].wait() == 2);
    CHECK(getters[2].wait() == 3);
}

TEST_CASE_FIXTURE(clean_items, "an item whose put ran out of time is withdrawn") {
    virtual_time time;
    queue<std::string> channel(0);
    CHECK(!channel.put_for("hi", 1ms));
    CHECK(time.passed() == 1ms);
    CHECK(channel.try_get() == std::nullopt);
}

TEST_CASE_FIXTURE(clean_items, "two getters that ran out of time take nothing") {
    virtual_time time;
    queue<std::string> q;
    const auto receive = [&]() -> std::string {
        const timeout limit(0s, std::runtime_error("late"));
        try {
            return q.get();
        } catch (const std::runtime_error&) {
            return "timed out";
        }
    };
    auto a = spawn(receive), b = spawn(receive);
    tendril::sleep(1ms);
    q.put("sent");
    CHECK(a.wait() == "timed out");
    CHECK(b.wait() == "timed out");
    CHECK(q.get() == "sent");
}

// The timer is due as the item comes, but the item was first: it is not lost either.
TEST_CASE_FIXTURE(clean_items, "two getters about to run out of time lose nothing") {
    virtual_time time;
    queue<std::string> q;
    const auto receive = [&]() -> std::string {
        const timeout limit(0s, std::runtime_error("late"));
        try {
            return q.get();
        } catch (const std::runtime_error&) {
            return "timed out";
        }
    };
    auto a = spawn(receive), b = spawn(receive);
    yield();
    q.put("sent");
    CHECK(a.wait() == "sent");
    CHECK(b.wait() == "timed out");
    CHECK(q.empty());
}

TEST_CASE_FIXTURE(clean_items,
                  "of a dying getter and a live one, the live one gets it") {
    virtual_time time;
    queue<std::string> q;
    auto dying = spawn([&] {
        const timeout limit(0s, std::runtime_error("late"));
        q.get();
    });
    auto live = spawn([&] { return q.get(); });
    tendril::sleep(1ms);
    q.put("hi");
    CHECK_THROWS_WITH_AS(dying.wait(), "late", std::runtime_error);
    CHECK(live.wait() == "hi");
}

TEST_CASE_FIXTURE(clean_items,
                  "killed getters between good ones: all ten arrive in order") {
    queue<int> channel(0);
    std::vector<int> got;
    std::vector<fiber<>> fibers;
    const auto fetch = [&] { got.push_back(channel.get()); };
    for (int i = 0; i < 10; ++i) {
        fibers.push_back(spawn(fetch));
        fibers.push_back(spawn(fetch));
        hub::current().call_soon([bad = fibers.back()] { bad.kill(); });
    }
    yield();
    for (int i = 0; i < 10; ++i) channel.put(i);
    CHECK(got == std::vector{0, 1, 2, 3, 4, 5, 6, 7, 8, 9});
    for (const auto& f : fibers) CHECK(f.done());
}

TEST_CASE_FIXTURE(clean_items, "a callback takes an item from the hand of a putter") {
    queue<int> channel(0);
    int got = 0;
    auto putter = spawn([&] { channel.put(5); });
    yield();
    hub::current().call_soon([&] { got = channel.try_get().value_or(-1); });
    putter.wait();
    CHECK(got == 5);
}
