// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/error.hpp>
#include <tendril/runtime/fiber.hpp>
#include <tendril/runtime/hub.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>
#include <tendril/sync/flag.hpp>
#include <tendril/sync/future.hpp>
#include <tendril/sync/hub_thread.hpp>

#include <chrono>
#include <exception>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "../support/at_end.hpp"
#include "../support/clean_end.hpp"
#include "../support/errc_of.hpp"
#include "../support/hub_threads.hpp"
#include "../support/other_thread.hpp"
#include <doctest/doctest.h>
#include <pthread.h>

using namespace std::chrono_literals;
using namespace tendril;
using test::at_end;
using test::clean_end_of_threads;
using test::errc_of;

TEST_SUITE_BEGIN("sync/hub_thread");

TEST_CASE_FIXTURE(clean_end_of_threads,
                  "it serves what is sent to it in its own thread") {
    hub_thread there({.name = "the one with a long name"});
    char name[16] = {};
    std::thread::id where;
    there
        .spawn([&] {
            pthread_getname_np(pthread_self(), name, sizeof name);
            where = std::this_thread::get_id();
        })
        .wait();
    CHECK(std::string(name) == "the one with a ");
    CHECK(where != std::this_thread::get_id());
    CHECK(there.spawn([](int a, int b) { return a + b; }, 3, 4).wait() == 7);
    std::string given;
    there.spawn({.name = "a fiber"}, [&] { given = current().name(); }).wait();
    CHECK(given == "a fiber");
    flag posted;
    there.post([&] { posted.set(); });
    posted.wait();
}

TEST_CASE_FIXTURE(clean_end_of_threads,
                  "who makes it may leave its own hub to others") {
    int turns = 0;
    bool made = false;
    auto other = spawn([&] {
        while (!made) {
            ++turns;
            yield();
        }
    });
    hub_thread there;
    made = true;
    other.wait();
    CHECK(turns > 0);
}

TEST_CASE_FIXTURE(clean_end_of_threads, "its destructor kills what is left and waits") {
    std::string left;
    {
        hub_thread there;
        flag begun;
        there.spawn([&] {
            const at_end note{[&] {
                const uninterrupted here;
                tendril::sleep(1ms);
                left += "unwound";
            }};
            begun.set();
            tendril::sleep(forever);
        });
        begun.wait();
    }
    CHECK(left == "unwound");
}

TEST_CASE_FIXTURE(clean_end_of_threads,
                  "at_end is called there, before what is left is killed") {
    std::string order;
    std::thread::id where, expected;
    {
        hub_thread there({.at_end = [&] {
            order += "end ";
            where = std::this_thread::get_id();
        }});
        flag begun;
        there.spawn([&] {
            const at_end note{[&] { order += "unwound"; }};
            expected = std::this_thread::get_id();
            begun.set();
            sleep(1h);
        });
        begun.wait();
        there.stop();
        CHECK(there.join_for(10s));
        CHECK(order == "end unwound");
    }
    CHECK(order == "end unwound");
    CHECK(where == expected);
}

TEST_CASE_FIXTURE(clean_end_of_threads,
                  "a fiber that waits for it leaves its hub to others") {
    hub_thread there;
    bool ended = false;
    std::string order;
    auto waits = spawn([&] {
        ended = there.join();
        order += "joined";
    });
    auto other = spawn([&] {
        yield();
        order += "other ";
        there.stop();
        there.stop();
    });
    waits.wait();
    other.wait();
    CHECK(ended);
    CHECK(there.done());
    CHECK(order == "other joined");
    CHECK(there.join());
    CHECK(errc_of([&] { there.spawn([] {}); }) == errc::thread_exited);
    CHECK(errc_of([&] { there.post([] {}); }) == errc::thread_exited);
}

TEST_CASE_FIXTURE(clean_end_of_threads, "waiting for it can be given up") {
    hub_thread there;
    CHECK_FALSE(there.join_for(0s));
    auto waits = spawn([&] { there.join(); });
    yield();
    waits.kill();
    CHECK(waits.done());
    CHECK_FALSE(there.done());
}

TEST_CASE_FIXTURE(clean_end_of_threads,
                  "its own fibers may stop it and not wait for it") {
    hub_thread there;
    std::optional<errc> code;
    bool is_current = false;
    there.spawn([&] {
        code = errc_of([&] { there.join(); });
        is_current = there.is_current();
        hub::current().stop();
    });
    CHECK(there.join());
    CHECK(code == errc::bad_argument);
    CHECK(is_current);
    CHECK_FALSE(there.is_current());
}

TEST_CASE_FIXTURE(clean_end_of_threads, "its own hook is told of what ends it early") {
    std::string told;
    const auto main_of = [](hub_thread& there) {
        any_fiber main;
        flag known;
        there.post([&] {
            // The only one that is no fiber of its own making.
            detail::fiber_core& core = detail::this_scheduler->main;
            detail::retain(core);
            main = detail::fiber_access::handle<void>(core);
            known.set();
        });
        known.wait();
        return main;
    };
    {
        hub_thread there(
            {.on_error = [&](std::exception_ptr e, std::string_view where) {
                told = std::string(where) + ": " + detail::describe(e);
            }});
        main_of(there).kill(std::runtime_error("enough"));
        there.join();
    }
    CHECK(told == "the end of a hub thread: std::runtime_error: enough");
    {
        hub_thread there;
        main_of(there).kill();
        there.join();
    }
    CHECK(reported.empty());
}

TEST_CASE_FIXTURE(clean_end_of_threads, "a thread without a hub may own one") {
    bool done = false;
    bool has_hub = true;
    {
        std::optional<hub_thread> there(std::in_place);
        std::thread owner([&] {
            there.reset();
            has_hub = detail::this_scheduler != nullptr;
            done = true;
        });
        owner.join();
    }
    CHECK(done);
    CHECK_FALSE(has_hub);
}

TEST_CASE_FIXTURE(clean_end_of_threads, "in a hub callback it can only go") {
    std::optional<hub_thread> there(std::in_place);
    std::optional<errc> code;
    flag over;
    hub::current().call_soon([&] {
        code = errc_of([] { const hub_thread another; });
        there.reset();
        over.set();
    });
    over.wait();
    CHECK(code == errc::in_hub);
    CHECK_FALSE(there);
}

TEST_CASE_FIXTURE(clean_end_of_threads, "two of them send each other work") {
    const int rounds = test::repetitions(100'000);
    hub_thread a, b;
    // As many at a time as a batch, so that futures wait on both sides.
    constexpr int batch = 100;
    const auto send = [&](hub_thread& to) {
        long sum = 0;
        for (int i = 0; i < rounds / batch; ++i) {
            std::vector<future<int>> answers;
            for (int n = 0; n < batch; ++n) {
                answers.push_back(to.spawn([](int x) { return x; }, n));
            }
            for (const auto& f : answers) sum += f.wait();
        }
        return sum;
    };
    const auto from_a = a.spawn([&] { return send(b); });
    const auto from_b = b.spawn([&] { return send(a); });
    const long each = long{batch} * (batch - 1) / 2 * (rounds / batch);
    CHECK(from_a.wait() == each);
    CHECK(from_b.wait() == each);
}

TEST_SUITE_END();
