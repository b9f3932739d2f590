// What runtime asks the heap for: nothing while it runs, and nothing is left when the
// heap has no more.
// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/fiber.hpp>
#include <tendril/runtime/fiber_local.hpp>
#include <tendril/runtime/greenlet.hpp>
#include <tendril/runtime/hub.hpp>
#include <tendril/runtime/run.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>
#include <tendril/runtime/timeout.hpp>
#include <tendril/test/virtual_time.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <functional>
#include <limits>
#include <new>
#include <string>

#include "../support/allocations.hpp"
#include "../support/clean_end.hpp"
#include "../support/hub_threads.hpp"
#include <doctest/doctest.h>

using namespace std::chrono_literals;
using namespace tendril;
using test::clean_end;
using test::virtual_time;

namespace {

std::atomic<std::size_t> until_failure{std::numeric_limits<std::size_t>::max()};

// ThreadSanitizer has an operator new of its own, which comes first.
constexpr bool can_fail = !test::under_tsan;

}  // namespace

// Not inlined, or the compiler sees free() given what new returned, and warns.
[[gnu::noinline]] void* operator new(std::size_t size) {
    if (until_failure-- == 0) throw std::bad_alloc();
    if (void* const at = std::malloc(size)) return at;
    throw std::bad_alloc();
}

[[gnu::noinline]] void operator delete(void* at) noexcept {
    std::free(at);
}

[[gnu::noinline]] void operator delete(void* at, std::size_t) noexcept {
    std::free(at);
}

namespace {

// Allocations made by many calls of f(), once it has warmed up.
template <class F>
std::size_t allocations_of(F f) {
    for (int i = 0; i < 1000; ++i) f();
    const std::size_t before = test::allocations();
    for (int i = 0; i < test::repetitions(1'000'000); ++i) f();
    return test::allocations() - before;
}

// Calls f() while its first, second, ... allocation fails, until none of them does;
// there must be one. Whatever it made before it failed must be gone.
void with_each_allocation_failing(const std::function<void()>& f) {
    const hub& h = hub::current();
    const std::size_t fibers = h.live_fibers();
    const std::size_t timers = h.armed_timers();
    const std::size_t stacks = h.stacks_in_use();
    for (std::size_t nth = 0;; ++nth) {
        REQUIRE(nth < 100);
        bool failed = false;
        until_failure = nth;
        try {
            f();
        } catch (const std::bad_alloc&) {
            failed = true;
        }
        until_failure = std::numeric_limits<std::size_t>::max();
        if (!failed) {
            CHECK(nth > 0);
            return;
        }
        CHECK(h.live_fibers() == fibers);
        CHECK(h.armed_timers() == timers);
        CHECK(h.stacks_in_use() == stacks);
    }
}

}  // namespace

TEST_SUITE_BEGIN("runtime/allocation");

TEST_CASE_FIXTURE(clean_end, "a yield allocates nothing") {
    auto other = spawn([] {
        for (;;) yield();
    });
    CHECK(allocations_of([] { yield(); }) == 0);
    other.kill();
    other.join();
}

TEST_CASE_FIXTURE(clean_end, "a spawn and a wait for its end allocate nothing") {
    CHECK(allocations_of([] { spawn([] {}).wait(); }) == 0);
    CHECK(allocations_of(
              [] { spawn([](int a, int b) { return a + b; }, 1, 2).wait(); }) == 0);
    CHECK(allocations_of([] {
              spawn_n([] {});
              yield();
          }) == 0);
}

TEST_CASE_FIXTURE(clean_end, "a sleep allocates nothing") {
    virtual_time time;
    CHECK(allocations_of([] { tendril::sleep(1s); }) == 0);
}

TEST_CASE_FIXTURE(clean_end, "a scope, and a wait with a limit, allocate nothing") {
    virtual_time time;
    auto f = spawn([] { tendril::sleep(forever); });
    CHECK(allocations_of([] { timeout limit(1s); }) == 0);
    CHECK(allocations_of([&] { f.join(hub::current().now() + 1s); }) == 0);
    f.kill();
}

TEST_CASE_FIXTURE(clean_end,
                  "a raw switch allocates nothing, and nor does a new greenlet") {
    auto main = greenlet<int>::current();
    greenlet<int> echo([&](int x) {
        for (;;) x = main.switch_to(x);
    });
    CHECK(allocations_of([&] { echo.switch_to(1); }) == 0);
    CHECK(allocations_of([] { greenlet<int>([](int x) { return x; }).switch_to(1); }) ==
          0);
}

TEST_CASE_FIXTURE(clean_end, "a fiber_local in use allocates nothing") {
    static fiber_local<int> n;
    CHECK(allocations_of([] { ++*n; }) == 0);
}

TEST_CASE_FIXTURE(clean_end,
                  "a call that runs out of memory leaves nothing behind" *
                      doctest::skip(!can_fail)) {
    virtual_time time;
    hub& h = hub::current();
    const std::string name(100, 'n');
    with_each_allocation_failing([&] { spawn({.name = name}, [] {}).wait(); });
    with_each_allocation_failing([&] {
        const std::string big(200, 'x');
        spawn([big] {}).wait();
    });
    with_each_allocation_failing([] { spawn_after(1s, [] {}).cancel(); });
    with_each_allocation_failing([] { spawn_after_local(1s, [] {}).cancel(); });
    with_each_allocation_failing([] { run([] { return 1; }); });
    with_each_allocation_failing([&] { h.call_later(1s, [] {}).cancel(); });
    with_each_allocation_failing([&] { h.call_soon([name] {}).cancel(); });
    with_each_allocation_failing([&] { h.post([name] {}); });
    tendril::sleep(1s);
}

TEST_CASE_FIXTURE(clean_end,
                  "a kill that runs out of memory leaves its victim as it was" *
                      doctest::skip(!can_fail)) {
    const std::string reason(100, 'x');
    int as_sent = 0, otherwise = 0;
    auto f = spawn([&] {
        try {
            tendril::sleep(forever);
        } catch (const std::string& error) {
            as_sent += error == reason ? 1 : 0;
        } catch (...) {
            ++otherwise;
        }
    });
    yield();
    with_each_allocation_failing([&] {
        f.kill(reason);
        yield();
    });
    CHECK(f.done());
    CHECK(as_sent == 1);
    CHECK(otherwise == 0);
}

TEST_CASE_FIXTURE(clean_end,
                  "a plain kill needs no memory" * doctest::skip(!can_fail)) {
    auto f = spawn([] { tendril::sleep(forever); });
    yield();
    until_failure = 0;
    f.kill();
    // It was refused some if it has counted on.
    const bool refused = until_failure != 0;
    until_failure = std::numeric_limits<std::size_t>::max();
    CHECK(f.done());
    CHECK(refused);
}

TEST_CASE_FIXTURE(clean_end,
                  "a link that runs out of memory is not made" *
                      doctest::skip(!can_fail)) {
    int calls = 0;
    auto f = spawn([] {});
    with_each_allocation_failing([&] { f.link([&] { ++calls; }); });
    f.wait();
    yield();
    CHECK(calls == 1);
}

TEST_SUITE_END();
