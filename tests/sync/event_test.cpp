// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/fiber.hpp>
#include <tendril/runtime/hub.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>
#include <tendril/sync/event.hpp>
#include <tendril/test/virtual_time.hpp>

#include <chrono>
#include <exception>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "../support/clean_end.hpp"
#include "../support/errc_of.hpp"
#include <doctest/doctest.h>

using namespace std::chrono_literals;
using namespace tendril;
using test::clean_end;
using test::errc_of;
using test::virtual_time;

TEST_SUITE_BEGIN("sync/event");

TEST_CASE_FIXTURE(clean_end, "all who wait get what is sent, and all who come later") {
    event<std::string> e;
    std::vector<fiber<std::string>> early;
    for (int i = 0; i < 3; ++i) early.push_back(spawn([&] { return e.wait(); }));
    yield();
    e.send("sent");
    CHECK(e.wait() == "sent");
    for (const auto& f : early) CHECK(f.wait() == "sent");
    CHECK(spawn([&] { return e.wait(); }).wait() == "sent");
}

TEST_CASE_FIXTURE(clean_end, "send only makes those who wait ready, in order") {
    event<> e;
    std::string order;
    std::vector<fiber<>> fibers;
    for (const char name : {'a', 'b', 'c'}) {
        fibers.push_back(spawn([&, name] {
            e.wait();
            order += name;
        }));
    }
    yield();
    e.send();
    order += '!';
    for (const auto& f : fibers) f.wait();
    CHECK(order == "!abc");
}

TEST_CASE_FIXTURE(clean_end, "waiting for what was sent lets nobody else run") {
    event<int> e;
    bool ran = false;
    e.send(1);
    auto other = spawn([&] { ran = true; });
    e.wait();
    CHECK(e.wait_for(1s) == 1);
    CHECK(!ran);
    other.wait();
}

TEST_CASE_FIXTURE(clean_end, "a second send is an error, and the value stays") {
    event<std::string> e;
    e.send("first");
    CHECK(errc_of([&] { e.send("second"); }) == errc::already_set);
    CHECK(errc_of([&] { e.send_exception(1); }) == errc::already_set);
    CHECK(e.wait() == "first");
    event<> failed;
    failed.send_exception(std::runtime_error("broken"));
    CHECK(errc_of([&] { failed.send(); }) == errc::already_set);
    CHECK_THROWS_WITH_AS(failed.wait(), "broken", std::runtime_error);
}

TEST_CASE_FIXTURE(clean_end, "reset makes it as new, a fresh one cannot be reset") {
    event<int> e;
    CHECK(errc_of([&] { e.reset(); }) == errc::unset);
    e.send(1);
    e.reset();
    CHECK(!e.ready());
    CHECK(errc_of([&] { e.reset(); }) == errc::unset);
    auto f = spawn([&] { return e.wait(); });
    yield();
    CHECK(!f.done());
    e.send(2);
    CHECK(f.wait() == 2);
}

TEST_CASE_FIXTURE(clean_end, "an exception that was sent is gone after reset") {
    event<int> e;
    e.send_exception(std::out_of_range("gone"));
    CHECK_THROWS_AS(e.wait(), std::out_of_range);
    e.reset();
    CHECK(e.poll() == std::nullopt);
    e.send(3);
    CHECK(e.wait() == 3);
}

TEST_CASE_FIXTURE(clean_end, "what was sent to those who wait survives a reset") {
    event<int> e;
    auto a = spawn([&] { return e.wait(); }), b = spawn([&] { return e.wait(); });
    yield();
    e.send(1);
    e.reset();
    e.send(2);
    CHECK(a.wait() == 1);
    CHECK(b.wait() == 1);
    CHECK(e.wait() == 2);
}

TEST_CASE_FIXTURE(clean_end, "exceptions arrive with their type, at each who waits") {
    event<int> e;
    const auto wait = [&] { return e.wait(); };
    auto a = spawn(wait), b = spawn(wait);
    yield();
    e.send_exception(std::out_of_range("beyond"));
    CHECK_THROWS_WITH_AS(a.wait(), "beyond", std::out_of_range);
    CHECK_THROWS_WITH_AS(b.wait(), "beyond", std::out_of_range);
    CHECK_THROWS_AS(e.poll(), std::out_of_range);
    CHECK_THROWS_AS(e.wait_for(1s), std::out_of_range);
    e.reset();
    e.send_exception(std::make_exception_ptr(7));
    CHECK_THROWS_AS(e.wait(), int);
    CHECK(errc_of([&] { e.send_exception(std::exception_ptr()); }) ==
          errc::bad_argument);
}

TEST_CASE_FIXTURE(clean_end, "looking tells result and exception apart") {
    event<int> e;
    CHECK(!e.ready());
    CHECK(!e.has_result());
    CHECK(!e.has_exception());
    CHECK(e.poll() == std::nullopt);
    e.send(5);
    CHECK(e.ready());
    CHECK(e.has_result());
    CHECK(!e.has_exception());
    CHECK(e.poll() == 5);
    e.reset();
    e.send_exception(1);
    CHECK(e.ready());
    CHECK(!e.has_result());
    CHECK(e.has_exception());
    event<> nothing;
    CHECK(!nothing.poll());
    nothing.send();
    CHECK(nothing.poll());
    CHECK(nothing.has_result());
}

TEST_CASE_FIXTURE(clean_end, "what converts to the type can be sent") {
    event<std::string> text;
    text.send("literal");
    CHECK(text.wait() == "literal");
    event<double> number;
    number.send(2);
    CHECK(number.wait() == 2.0);
    event<std::shared_ptr<int>> shared;
    auto value = std::make_shared<int>(4);
    shared.send(value);
    CHECK(shared.wait() == value);
    CHECK(value.use_count() == 2);
    shared.reset();
    CHECK(value.use_count() == 1);
}

TEST_CASE_FIXTURE(clean_end, "what is sent may be an empty optional") {
    event<std::optional<int>> e;
    e.send(std::nullopt);
    CHECK(e.has_result());
    CHECK(e.wait() == std::nullopt);
    CHECK(e.poll() == std::optional<std::optional<int>>(std::in_place));
}

TEST_CASE_FIXTURE(clean_end, "an event gives up when the time is over, no sooner") {
    virtual_time time;
    event<int> e;
    CHECK(e.wait_for(250ms) == std::nullopt);
    CHECK(time.passed() == 250ms);
    event<> nothing;
    CHECK(!nothing.wait_for(250ms));
    CHECK(!nothing.wait_until(hub::current().now()));
    CHECK(time.passed() == 500ms);
    hub::current().call_later(1s, [&] { nothing.send(); });
    CHECK(nothing.wait_for(2s));
    CHECK(time.passed() == 1500ms);
    CHECK(errc_of([&] { e.wait_for(-1ns); }) == errc::bad_argument);
}

TEST_CASE_FIXTURE(clean_end, "sent at the very deadline, it is had") {
    virtual_time time;
    event<int> e;
    hub::current().call_later(1s, [&] { e.send(1); });
    CHECK(e.wait_for(1s) == 1);
    CHECK(time.passed() == 1s);
}

TEST_CASE_FIXTURE(clean_end, "sent after the very deadline, it is for the next") {
    virtual_time time;
    event<int> e;
    auto f = spawn([&] { return e.wait_for(1s); });
    yield();
    hub::current().call_later(1s, [&] { e.send(1); });
    CHECK(f.wait() == std::nullopt);
    CHECK(e.wait() == 1);
}

TEST_CASE_FIXTURE(clean_end, "hub callbacks may send, look and reset, but not wait") {
    event<int> e;
    auto f = spawn([&] { return e.wait(); });
    yield();
    std::optional<errc> early;
    std::optional<int> seen, waited;
    hub::current().call_soon([&] {
        early = errc_of([&] { e.wait(); });
        e.send(1);
        seen = e.poll();
        waited = e.wait();
        e.reset();
    });
    CHECK(f.wait() == 1);
    CHECK(early == errc::in_hub);
    CHECK(seen == 1);
    CHECK(waited == 1);
    CHECK(!e.ready());
}

TEST_CASE_FIXTURE(clean_end, "what is destroyed by reset may look at the event") {
    struct curious {
        event<std::shared_ptr<curious>>& from;
        bool& was_ready;

        ~curious() { was_ready = from.ready(); }
    };

    event<std::shared_ptr<curious>> e;
    bool was_ready = true;
    e.send(std::make_shared<curious>(curious{e, was_ready}));
    was_ready = true;
    e.reset();
    CHECK(!was_ready);
}

TEST_CASE_FIXTURE(clean_end, "a fiber that was sent something may destroy the event") {
    auto e = std::make_unique<event<int>>();
    auto f = spawn([&] {
        const int got = e->wait();
        e.reset();
        return got;
    });
    yield();
    e->send(1);
    CHECK(f.wait() == 1);
    CHECK(!e);
}

// The deadline comes second in the turn in which the event is destroyed.
TEST_CASE_FIXTURE(clean_end, "the sender may destroy the event at once") {
    virtual_time time;
    auto e = std::make_unique<event<int>>();
    hub::current().call_later(1s, [&] {
        e->send(1);
        e.reset();
    });
    auto f = spawn([&] { return e->wait_for(1s); });
    CHECK(f.wait() == 1);
}
