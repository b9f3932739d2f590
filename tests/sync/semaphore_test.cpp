// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/fiber.hpp>
#include <tendril/runtime/hub.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>
#include <tendril/sync/semaphore.hpp>
#include <tendril/test/virtual_time.hpp>

#include <chrono>
#include <cmath>
#include <cstddef>
#include <limits>
#include <memory>
#include <optional>
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

namespace {

// Fibers a, b, c... that wait for a token and keep it; each notes that it has one.
std::vector<fiber<>> waiting_for(semaphore& s, std::string& had, int count) {
    std::vector<fiber<>> fibers;
    for (int i = 0; i < count; ++i) {
        fibers.push_back(spawn([&s, &had, name = static_cast<char>('a' + i)] {
            s.acquire();
            had += name;
        }));
    }
    yield();
    return fibers;
}

}  // namespace

TEST_SUITE_BEGIN("sync/semaphore");

TEST_CASE_FIXTURE(clean_end, "the balance counts tokens, then those who wait") {
    semaphore s(2);
    CHECK(s.balance() == 2);
    s.acquire();
    s.acquire();
    CHECK(s.balance() == 0);
    std::string had;
    const auto fibers = waiting_for(s, had, 3);
    CHECK(s.balance() == -3);
    CHECK(had.empty());
    s.release();
    CHECK(s.balance() == -2);
    s.release(4);
    CHECK(s.balance() == 2);
    yield();
    CHECK(had == "abc");
    CHECK(s.balance() == 2);
    CHECK(semaphore().balance() == 1);
}

TEST_CASE_FIXTURE(clean_end, "tokens go out in the order they were asked for") {
    semaphore s(0);
    std::string had;
    const auto fibers = waiting_for(s, had, 5);
    s.release(2);
    yield();
    CHECK(had == "ab");
    s.release();
    s.release(2);
    yield();
    CHECK(had == "abcde");
}

TEST_CASE_FIXTURE(clean_end, "nobody overtakes a fiber whose token is on its way") {
    semaphore s(0);
    std::string had;
    const auto first = waiting_for(s, had, 1);
    s.release();
    CHECK(!s.try_acquire());
    CHECK(!s.try_acquire_for(0s));
    auto second = spawn([&] {
        s.acquire();
        had += 'z';
    });
    CHECK(had == "a");
    s.release();
    second.wait();
    CHECK(had == "az");
}

TEST_CASE_FIXTURE(clean_end, "a number of tokens that makes no sense is an error") {
    CHECK(errc_of([] { semaphore s(-1); }) == errc::bad_argument);
    constexpr auto most = std::numeric_limits<std::ptrdiff_t>::max();
    CHECK(errc_of([] { semaphore s(-most); }) == errc::bad_argument);
    semaphore s(0);
    CHECK(s.balance() == 0);
    CHECK(errc_of([&] { s.release(0); }) == errc::bad_argument);
    CHECK(errc_of([&] { s.release(-3); }) == errc::bad_argument);
    CHECK(s.balance() == 0);
    s.release(most);
    CHECK(s.balance() == most);
    CHECK(errc_of([&] { s.release(); }) == errc::bad_argument);
    CHECK(errc_of([&] { s.release(most); }) == errc::bad_argument);
    CHECK(s.balance() == most);
}

TEST_CASE_FIXTURE(clean_end, "no token is taken for a senseless duration") {
    semaphore s(1);
    for (const double bad : {-1.0, std::nan(""), HUGE_VAL}) {
        CHECK(errc_of([&] { s.try_acquire_for(std::chrono::duration<double>(bad)); }) ==
              errc::bad_argument);
    }
    CHECK(errc_of([&] { s.try_acquire_for(-1ns); }) == errc::bad_argument);
    CHECK(s.balance() == 1);
    CHECK(s.try_acquire_for(forever));
}

TEST_CASE_FIXTURE(clean_end, "try_acquire_for gives up on time, no sooner") {
    virtual_time time;
    semaphore s(0);
    CHECK(!s.try_acquire_for(250ms));
    CHECK(time.passed() == 250ms);
    CHECK(!s.try_acquire_for(0s));
    CHECK(time.passed() == 250ms);
    CHECK(s.balance() == 0);
    hub::current().call_later(1s, [&] { s.release(); });
    CHECK(s.try_acquire_for(2s));
    CHECK(time.passed() == 1250ms);
    CHECK(s.balance() == 0);
}

TEST_CASE_FIXTURE(clean_end, "a token given at the very deadline is had") {
    virtual_time time;
    semaphore s(0);
    hub::current().call_later(1s, [&] { s.release(); });
    CHECK(s.try_acquire_for(1s));
    CHECK(s.balance() == 0);
}

TEST_CASE_FIXTURE(clean_end, "a token that comes after the very deadline stays") {
    virtual_time time;
    semaphore s(0);
    auto f = spawn([&] { return s.try_acquire_for(1s); });
    yield();
    hub::current().call_later(1s, [&] { s.release(); });
    CHECK(!f.wait());
    yield();
    CHECK(s.balance() == 1);
}

TEST_CASE_FIXTURE(clean_end, "callbacks may release and try tokens, but not wait") {
    semaphore s(0);
    std::string had;
    const auto fibers = waiting_for(s, had, 1);
    std::optional<errc> got;
    bool tried = true, tried_later = false, acquired = false;
    hub::current().call_soon([&] {
        tried = s.try_acquire();
        got = errc_of([&] { s.acquire(); });
        s.release(3);
        tried_later = s.try_acquire();
        s.acquire();
        acquired = true;
    });
    yield();
    CHECK(got == errc::in_hub);
    CHECK(!tried);
    CHECK(tried_later);
    CHECK(acquired);
    CHECK(s.balance() == 0);
    yield();
    CHECK(had == "a");
}

TEST_CASE_FIXTURE(clean_end, "whoever has the last token may destroy the semaphore") {
    auto s = std::make_unique<semaphore>(0);
    auto f = spawn([&] {
        s->acquire();
        s.reset();
    });
    yield();
    s->release();
    f.wait();
    CHECK(!s);
}
