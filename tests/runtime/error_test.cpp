// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/error.hpp>
#include <tendril/runtime/timeout.hpp>

#include <array>
#include <cstdio>
#include <exception>
#include <stdexcept>
#include <string>
#include <type_traits>

#include "../support/clean_end.hpp"
#include <doctest/doctest.h>
#include <unistd.h>

using namespace std::chrono_literals;
using namespace tendril;
using test::clean_end;

TEST_SUITE_BEGIN("runtime/error");

namespace {

template <class E>
std::string described(E error) {
    return detail::describe(std::make_exception_ptr(std::move(error)));
}

// What f() writes to stderr, by the C library or past it.
template <class F>
std::string stderr_of(F f) {
    std::array<int, 2> ends{};
    REQUIRE(pipe(ends.data()) == 0);
    std::fflush(stderr);
    const int before = dup(STDERR_FILENO);
    dup2(ends[1], STDERR_FILENO);
    close(ends[1]);
    f();
    std::fflush(stderr);
    dup2(before, STDERR_FILENO);
    close(before);
    std::array<char, 512> text{};
    const ssize_t length = read(ends[0], text.data(), text.size());
    close(ends[0]);
    REQUIRE(length >= 0);
    return {text.data(), static_cast<std::size_t>(length)};
}

}  // namespace

TEST_CASE_FIXTURE(clean_end, "misuse is a std::exception with a code and a sentence") {
    const fiber_error e(errc::cyclic_parent, "a greenlet would become its own parent");
    const std::exception& as_standard = e;
    CHECK(e.code() == errc::cyclic_parent);
    CHECK(std::string(as_standard.what()) == "a greenlet would become its own parent");
}

TEST_CASE_FIXTURE(clean_end, "catch (const std::exception&) swallows no kill") {
    CHECK_FALSE(std::is_base_of_v<std::exception, greenlet_exit>);
    CHECK_FALSE(std::is_base_of_v<std::exception, timed_out>);
    bool swallowed = false;
    try {
        try {
            throw greenlet_exit{};
        } catch (const std::exception&) {
            swallowed = true;
        }
    } catch (const greenlet_exit&) {
    }
    CHECK_FALSE(swallowed);
}

TEST_CASE_FIXTURE(clean_end, "a timed_out knows its scope by address") {
    timeout mine(1h), other(1h);
    const timed_out e(mine);
    CHECK(e.from(mine));
    CHECK_FALSE(e.from(other));
}

TEST_CASE_FIXTURE(clean_end, "an exception is described by its type and its text") {
    CHECK(described(std::runtime_error("disk full")) ==
          "std::runtime_error: disk full");
    CHECK(described(fiber_error(errc::dead, "it has ended")) ==
          "tendril::fiber_error: it has ended");
    CHECK(described(greenlet_exit{}) == "tendril::greenlet_exit");
    CHECK(described(42) == "int");
    CHECK(detail::describe(nullptr) == "no exception");
}

TEST_CASE_FIXTURE(clean_end, "set_exception_hook returns the hook before") {
    int calls = 0;
    const exception_hook before =
        set_exception_hook([&](std::exception_ptr, std::string_view) { ++calls; });
    detail::report(std::make_exception_ptr(1), "a test");
    const exception_hook mine = set_exception_hook(before);
    CHECK(calls == 1);
    mine(nullptr, "");
    CHECK(calls == 2);
    detail::report(std::make_exception_ptr(1), "a test");
    CHECK(calls == 2);
    CHECK(reported == std::vector<std::string>{"a test: int"});
    reported.clear();
}

TEST_CASE_FIXTURE(clean_end, "a hook may set another hook") {
    bool second_was_told = false;
    exception_hook before;
    before = set_exception_hook([&](std::exception_ptr, std::string_view) {
        set_exception_hook(
            [&](std::exception_ptr, std::string_view) { second_was_told = true; });
    });
    detail::report(std::make_exception_ptr(1), "a test");
    CHECK_FALSE(second_was_told);
    detail::report(std::make_exception_ptr(1), "a test");
    CHECK(second_was_told);
    set_exception_hook(before);
}

TEST_CASE_FIXTURE(clean_end, "without a hook, a report is one line on stderr") {
    const exception_hook before = set_exception_hook({});
    const std::string text = stderr_of([] {
        detail::report(std::make_exception_ptr(std::runtime_error("disk full")),
                       "a hub callback");
    });
    set_exception_hook(before);
    CHECK(text == "tendril: a hub callback: std::runtime_error: disk full\n");
}

TEST_CASE_FIXTURE(clean_end, "a hook that throws harms nobody") {
    const exception_hook before = set_exception_hook(
        [](std::exception_ptr, std::string_view) { throw std::runtime_error("hook"); });
    const std::string text =
        stderr_of([] { detail::report(std::make_exception_ptr(1), "a test"); });
    set_exception_hook(before);
    CHECK(text == "tendril: an exception could not be reported\n");
}

TEST_SUITE_END();
