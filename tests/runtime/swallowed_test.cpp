// swallowed_test.cpp - kills that a catch (...) has taken.
//
// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/cancel.hpp>
#include <tendril/runtime/generator.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>
#include <tendril/sync/event.hpp>
#include <tendril/sync/queue.hpp>
#include <tendril/test/virtual_time.hpp>

#include <chrono>
#include <exception>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "../support/clean_end.hpp"
#include "../support/errc_of.hpp"
#include <doctest/doctest.h>

using namespace std::chrono_literals;
using namespace tendril;
using test::clean_end;
using test::virtual_time;

TEST_SUITE_BEGIN("runtime/swallowed");

namespace {

class swallowing : public clean_end {
  protected:
    // Kills a fiber that runs `body`, and waits for its end.
    template <class F>
    void kill(F body) {
        auto f = spawn({.name = "careless"}, body);
        yield();
        f.kill();
        f.join();
    }

    virtual_time time;
};

}  // namespace

TEST_CASE_FIXTURE(swallowing, "a kill is told of at the next park, once") {
    std::size_t told = 0;
    kill([&] {
        try {
            tendril::sleep(1h);
        } catch (...) {
        }
        told = reported.size();
        tendril::sleep(1s);
        yield();
    });
    CHECK(told == 0);
    REQUIRE(reported.size() == 1);
    const std::string text = reported.front();
    CHECK(text.find("swallowed by a catch (...)") == 0);
    CHECK(text.find("'careless'") != std::string::npos);
    CHECK(text.find("wait for sleep") != std::string::npos);
    CHECK(text.find("greenlet_exit") != std::string::npos);
    reported.clear();
}

TEST_CASE_FIXTURE(swallowing, "or at the next turn it asks for") {
    kill([&] {
        try {
            tendril::sleep(1h);
        } catch (...) {
        }
        yield();
    });
    CHECK(reported.size() == 1);
    reported.clear();
}

TEST_CASE_FIXTURE(swallowing, "who names what he catches means it") {
    kill([] {
        try {
            tendril::sleep(1h);
        } catch (const greenlet_exit&) {
        }
        tendril::sleep(1s);
    });
}

TEST_CASE_FIXTURE(swallowing, "who rethrows it has not swallowed it") {
    kill([] {
        try {
            try {
                tendril::sleep(1h);
            } catch (...) {
                yield();  // its clean-up
                throw;
            }
        } catch (const greenlet_exit&) {
        }
        tendril::sleep(1s);
    });
}

TEST_CASE_FIXTURE(swallowing, "nor who keeps it, as long as he does") {
    std::size_t told = 0;
    kill([&] {
        std::exception_ptr kept;
        try {
            tendril::sleep(1h);
        } catch (...) {
            kept = std::current_exception();
        }
        tendril::sleep(1s);
        told = reported.size();
        kept = nullptr;
        tendril::sleep(1s);
    });
    CHECK(told == 0);
    CHECK(reported.size() == 1);
    reported.clear();
}

TEST_CASE_FIXTURE(swallowing, "nor who ends all the same") {
    kill([] {
        try {
            tendril::sleep(1h);
        } catch (...) {
        }
    });
}

TEST_CASE_FIXTURE(swallowing, "other functions' handlers on the way do not count") {
    struct unwound {
        ~unwound() {
            try {
                throw 1;
            } catch (...) {
            }
        }
    };

    kill([] {
        try {
            const unwound here;
            tendril::sleep(1h);
        } catch (const std::string&) {
        } catch (const greenlet_exit&) {
        } catch (...) {
        }
        tendril::sleep(1s);
    });
}

TEST_CASE_FIXTURE(swallowing, "each kill is judged by itself") {
    auto f = spawn([] {
        for (int i = 0; i < 3; ++i) {
            try {
                tendril::sleep(1h);
            } catch (...) {
            }
        }
    });
    for (int i = 0; i < 3; ++i) {
        yield();
        f.kill();
    }
    f.join();
    CHECK(reported.size() == 2);
    reported.clear();
}

TEST_CASE_FIXTURE(clean_end, "a hook that would wait is refused, and harms nobody") {
    virtual_time time;
    std::optional<errc> refused;
    const auto old = set_exception_hook([&](std::exception_ptr, std::string_view) {
        refused = test::errc_of([] { tendril::sleep(1s); });
    });
    auto f = spawn([] {
        try {
            tendril::sleep(1h);
        } catch (...) {
        }
        tendril::sleep(2s);
    });
    yield();
    f.kill();
    f.join();
    set_exception_hook(old);
    CHECK(refused == errc::in_hub);
    CHECK(time.passed() == 2s);
}

TEST_CASE_FIXTURE(clean_end, "in a scope of its own, and in every other way, too") {
    virtual_time time;
    std::vector<std::optional<errc>> refused;
    generator<int> numbers([](auto& give) { give(1); });
    queue<int> hands(0);
    auto getter = spawn([&] { return hands.get(); });
    const auto old = set_exception_hook([&](std::exception_ptr, std::string_view) {
        const auto attempt = [&](auto f) { refused.push_back(test::errc_of(f)); };
        attempt([] { move_on_after(1s, [] { tendril::sleep(2s); }); });
        attempt([] { tendril::sleep(1s); });
        attempt([] { yield(); });
        attempt([&] { numbers.next(); });
        hands.put(7);  // done at once, without the getter's turn
    });
    event<> news;
    auto f = spawn([&] {
        try {
            tendril::sleep(1h);
        } catch (...) {
        }
        news.wait();
    });
    yield();
    f.kill();
    news.send();
    f.join();
    set_exception_hook(old);
    CHECK(refused == std::vector<std::optional<errc>>(4, errc::in_hub));
    CHECK(getter.wait() == 7);
    CHECK(time.passed() == 0s);
}

TEST_SUITE_END();
