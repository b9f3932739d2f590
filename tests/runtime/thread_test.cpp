// Handles and hubs between threads.
// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/detail/doorbell.hpp>
#include <tendril/runtime/detail/sanitizer.hpp>
#include <tendril/runtime/fiber.hpp>
#include <tendril/runtime/hub.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>
#include <tendril/test/virtual_time.hpp>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "../support/errc_of.hpp"
#include "../support/other_thread.hpp"
#include <doctest/doctest.h>
#include <sys/resource.h>

using namespace std::chrono_literals;
using namespace tendril;
using test::clean_end_of_threads;
using test::errc_of;
using test::on_other_thread;
using test::virtual_time;

TEST_SUITE_BEGIN("runtime/hub between threads");

namespace {

// Lets this thread's hub open its letters.
void open_letters() {
    hub& h = hub::current();
    h.post([&] { h.stop(); });
    h.run_forever();
}

}  // namespace

TEST_CASE_FIXTURE(clean_end_of_threads,
                  "every thread has a hub of its own, made on first use") {
    hub* const mine = &hub::current();
    hub* other = nullptr;
    on_other_thread([&] {
        const int result = spawn([] {
                               yield();
                               return 3;
                           }).wait();
        CHECK(result == 3);
        other = &hub::current();
    });
    CHECK(other != mine);
    CHECK(&hub::current() == mine);
}

TEST_CASE_FIXTURE(clean_end_of_threads, "ids of all threads are unique") {
    std::uint64_t other = 0;
    on_other_thread([&] { other = spawn([] { return current().id(); }).wait(); });
    CHECK(other != spawn([] { return current().id(); }).wait());
    CHECK(other != 0);
}

// Without descriptors UBSan cannot look at memory, and takes each exception for a wrong
// one.
#if !defined(TENDRIL_ASAN)
TEST_CASE_FIXTURE(clean_end_of_threads,
                  "a thread whose hub cannot be made is told so, and may try again") {
    on_other_thread([] {
        rlimit limit{};
        REQUIRE(getrlimit(RLIMIT_NOFILE, &limit) == 0);
        const rlimit none{0, limit.rlim_max};
        // Other threads' doorbells are not to be had.
        std::vector<detail::doorbell*> spares;
        setrlimit(RLIMIT_NOFILE, &none);
        try {
            for (;;) spares.push_back(&detail::doorbell::acquire());
        } catch (const std::system_error&) {
        }
        CHECK_THROWS_AS(hub::current(), std::system_error);
        CHECK_THROWS_AS(spawn([] {}), std::system_error);
        setrlimit(RLIMIT_NOFILE, &limit);
        for (detail::doorbell* const spare : spares) spare->give_back();
        CHECK(spawn([] { return 1; }).wait() == 1);
    });
}
#endif

TEST_CASE_FIXTURE(clean_end_of_threads,
                  "fibers of any thread wait for a fiber of any other") {
    constexpr int threads = 3;
    hub& home = hub::current();
    auto gate = spawn_after(forever, [] {});
    auto f = spawn([&] {
        gate.join();
        return std::string("result");
    });
    int arrived = 0;
    std::atomic<int> heard{0};
    std::vector<std::jthread> others;
    for (int t = 0; t < threads; ++t) {
        others.emplace_back([&, f] {
            auto wait = [&] { heard += f.wait() == "result" ? 1 : 0; };
            auto a = spawn(wait), b = spawn(wait);
            yield();
            home.post([&] {
                if (++arrived == threads) gate.cancel();
            });
            wait();
            a.wait();
            b.wait();
        });
    }
    CHECK(f.wait() == "result");
    others.clear();
    CHECK(heard == 3 * threads);
}

TEST_CASE_FIXTURE(clean_end_of_threads,
                  "an exception keeps its type on its way to another thread") {
    auto f = spawn([]() -> int { throw std::out_of_range("far away"); });
    on_other_thread(
        [&] { CHECK_THROWS_WITH_AS(f.wait(), "far away", std::out_of_range); });
    CHECK_THROWS_AS(f.wait(), std::out_of_range);
}

TEST_CASE_FIXTURE(clean_end_of_threads,
                  "who waits for another thread's fiber can be killed, or give up") {
    auto f = spawn([] { tendril::sleep(forever); });
    on_other_thread([&] {
        virtual_time time;
        auto waiter = spawn([&] { f.wait(); });
        yield();
        waiter.kill();
        CHECK_THROWS_AS(waiter.wait(), greenlet_exit);
        CHECK_FALSE(f.join(hub::current().now() + 1h));
        CHECK(time.passed() == 1h);
    });
    CHECK_FALSE(f.done());
    f.kill();
}

TEST_CASE_FIXTURE(clean_end_of_threads,
                  "a kill from another thread happens on the fiber's own") {
    const std::thread::id here = std::this_thread::get_id();
    std::thread::id unwound_on;
    auto parked = spawn([&] {
        try {
            tendril::sleep(forever);
        } catch (...) {
            unwound_on = std::this_thread::get_id();
            throw;
        }
    });
    auto ended = spawn([] { return 1; });
    auto delayed = spawn_after(1h, [] { FAIL_CHECK("it was killed"); });
    yield();
    on_other_thread([&] {
        parked.kill(std::runtime_error("from afar"));
        delayed.kill();
        ended.kill();
        CHECK_THROWS_WITH_AS(parked.wait(), "from afar", std::runtime_error);
        CHECK_THROWS_AS(delayed.wait(), greenlet_exit);
        CHECK(ended.wait() == 1);
    });
    CHECK(unwound_on == here);
}

TEST_CASE_FIXTURE(clean_end_of_threads,
                  "what only a fiber's own thread may do is refused elsewhere") {
    auto f = spawn({.name = "mine"}, [] { tendril::sleep(forever); });
    yield();
    on_other_thread([&] {
        for (const auto& use : std::vector<std::function<void()>>{
                 [&] { f.cancel(); },
                 [&] { f.link([] {}); },
                 [&] { f.unlink(1); },
                 [&] { f.set_name("yours"); },
                 [&] { (void)f.name(); },
             }) {
            CHECK(errc_of(use) == errc::wrong_thread);
        }
        CHECK_FALSE(f.done());
        CHECK(f.exception() == nullptr);
    });
    CHECK(f.name() == "mine");
    f.kill();
}

TEST_CASE_FIXTURE(clean_end_of_threads,
                  "the last handle may be dropped on any thread") {
    auto owned = std::make_shared<int>(1);
    const std::weak_ptr<int> alive = owned;
    auto f = spawn([&] { return std::move(owned); });
    f.join();
    on_other_thread([f = std::move(f)]() mutable { f = {}; });
    open_letters();
    CHECK(alive.expired());
    CHECK(hub::current().stacks_in_use() == 0);
}

TEST_CASE_FIXTURE(
    clean_end_of_threads,
    "an exception nobody was given is reported wherever its handle goes") {
    auto f = spawn([] { throw std::runtime_error("unheard"); });
    f.join();
    on_other_thread([f = std::move(f)]() mutable { f = {}; });
    open_letters();
    REQUIRE(reported.size() == 1);
    CHECK(reported[0].ends_with("unheard"));
    reported.clear();
}

TEST_CASE_FIXTURE(clean_end_of_threads,
                  "4 threads wait for, kill and drop 1,000 fibers at once") {
    constexpr int count = 1000;
    std::vector<fiber<int>> fibers;
    for (int i = 0; i < count; ++i) {
        fibers.push_back(spawn([i] {
            for (int turn = 0; turn < i % 7; ++turn) yield();
            return i;
        }));
    }
    std::atomic<int> wrong{0};
    std::vector<std::jthread> others;
    for (int t = 0; t < 4; ++t) {
        others.emplace_back([&wrong, fibers, t]() mutable {
            for (int i = 0; i < count; ++i) {
                auto f = std::move(fibers[static_cast<std::size_t>(i)]);
                if (t == 0 && i % 10 == 0) f.kill();
                try {
                    wrong += std::move(f).wait() != i ? 1 : 0;
                } catch (const greenlet_exit&) {
                    wrong += i % 10 != 0 ? 1 : 0;
                }
            }
        });
    }
    for (auto& f : fibers) f.join();
    others.clear();
    fibers.clear();
    open_letters();
    CHECK(wrong == 0);
    CHECK(hub::current().stacks_in_use() == 0);
}

TEST_SUITE_END();
