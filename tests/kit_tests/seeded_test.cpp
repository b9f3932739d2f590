// seeded_test.cpp - random orders: what they find, and that they can be had again.
//
// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/hub.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>
#include <tendril/runtime/timeout.hpp>
#include <tendril/sync/condition_variable.hpp>
#include <tendril/sync/event.hpp>
#include <tendril/sync/mutex.hpp>
#include <tendril/sync/queue.hpp>
#include <tendril/sync/wait_queue.hpp>
#include <tendril/test/seeded.hpp>
#include <tendril/test/virtual_time.hpp>

#include <chrono>
#include <cstdint>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include "../support/clean_end.hpp"
#include "../support/hub_threads.hpp"
#include "../support/other_thread.hpp"
#include <doctest/doctest.h>

using namespace std::chrono_literals;
using namespace tendril;
using test::clean_end;
using test::exploration;
using test::explore;
using test::seeded;
using test::virtual_time;

TEST_SUITE_BEGIN("kit/seeded");

namespace {

std::string order_of_five(std::uint64_t seed) {
    const seeded chance(seed);
    std::string order;
    std::vector<fiber<>> all;
    for (char name = 'a'; name < 'f'; ++name) {
        all.push_back(spawn([&order, name] {
            order += name;
            yield();
            order += name;
        }));
    }
    for (const auto& f : all) f.wait();
    return order;
}

// Looks, and only a turn later stands in line: whoever opens it between the two is not
// noticed.
class leaky_gate {
  public:
    void pass() {
        if (open_) return;
        yield();
        wait_queue::place here("leaky gate");
        auto held = wait_queue::hold_to_wait(lock_);
        line_.wait(held, here);
    }

    void open() {
        wait_queue::taken woken;
        const std::lock_guard held(lock_);
        open_ = true;
        while (!line_.empty()) woken.add(line_.take_first());
    }

  private:
    wait_queue::lock lock_;
    wait_queue line_;
    bool open_ = false;
};

// Right in the order of the ready queue, and in most others.
void pass_a_leaky_gate() {
    leaky_gate gate;
    std::vector<fiber<>> all;
    for (int i = 0; i < 3; ++i) all.push_back(spawn([&] { gate.pass(); }));
    auto opener = spawn([&] {
        for (int i = 0; i < 4; ++i) yield();
        gate.open();
    });
    opener.wait();
    bool late = false;
    for (const auto& f : all) late = !f.join(hub::current().now() + 1s) || late;
    for (const auto& f : all) f.kill();
    if (late) throw std::runtime_error("a wake-up was lost");
}

void require(bool held, const char* what) {
    if (!held) throw std::runtime_error(what);
}

}  // namespace

TEST_CASE_FIXTURE(clean_end, "the same seed is the same order, others are others") {
    std::set<std::string> orders;
    for (std::uint64_t seed = 1; seed <= 50; ++seed) {
        const std::string order = order_of_five(seed);
        CHECK(order == order_of_five(seed));
        orders.insert(order);
    }
    CHECK(orders.size() > 40);
}

TEST_CASE_FIXTURE(clean_end, "at its end the order is that of the ready queue again") {
    order_of_five(1);
    std::string order;
    for (char name = 'a'; name < 'f'; ++name) spawn([&order, name] { order += name; });
    yield();
    CHECK(order == "abcde");
}

TEST_CASE_FIXTURE(clean_end, "every order of three comes") {
    std::set<std::string> orders;
    for (std::uint64_t seed = 1; seed <= 200; ++seed) {
        const seeded chance(seed);
        std::string order;
        for (char name = 'a'; name < 'd'; ++name)
            spawn([&order, name] { order += name; });
        while (order.size() < 3) yield();
        orders.insert(order);
    }
    CHECK(orders.size() == 6);
}

TEST_CASE_FIXTURE(clean_end, "callbacks keep their order") {
    for (std::uint64_t seed = 1; seed <= 50; ++seed) {
        const seeded chance(seed);
        std::string order;
        for (char name = 'a'; name < 'e'; ++name) {
            hub::current().call_soon([&order, name] { order += name; });
            spawn([] { yield(); });
        }
        while (order.size() < 4 || hub::current().live_fibers() > 0) yield();
        REQUIRE(order == "abcd");
    }
}

TEST_CASE_FIXTURE(clean_end,
                  "the same seed has the same hash of events, faults and all") {
    test::fault_counts faults;
    const auto hash_of = [&](std::uint64_t seed) {
        virtual_time time;
        const seeded chance(seed, 100);
        queue<int> q(1);
        auto producer = spawn([&] {
            for (int i = 0; i < 20; ++i) q.put(int{i}), tendril::sleep(1ms);
        });
        auto consumer = spawn([&] {
            for (int i = 0; i < 20; ++i) q.get();
        });
        producer.wait();
        consumer.wait();
        faults += chance.faults();
        return chance.hash();
    };
    std::set<std::uint64_t> hashes;
    for (std::uint64_t seed = 1; seed <= 50; ++seed) {
        const std::uint64_t hash = hash_of(seed);
        CHECK(hash == hash_of(seed));
        hashes.insert(hash);
    }
    CHECK(hashes.size() > 40);
    CHECK((faults[detail::fault::delay] > 0) == seeded::has_faults());
}

TEST_CASE_FIXTURE(clean_end, "a lost wake-up is found, and found again from its seed") {
    CHECK_NOTHROW(pass_a_leaky_gate());
    const exploration found = explore(1, 10'000, pass_a_leaky_gate);
    REQUIRE(found.failed);
    CHECK(found.what ==
          "seed " + std::to_string(*found.failed) + ": a wake-up was lost");
    int again = 0;
    for (int i = 0; i < 100; ++i) {
        again += explore(*found.failed, 1, pass_a_leaky_gate).failed ? 1 : 0;
    }
    CHECK(again == 100);
}

TEST_CASE_FIXTURE(clean_end, "what is left behind, and what hangs, is a failure") {
    fiber<> left;
    const exploration leak =
        explore(7, 3, [&] { left = spawn([] { tendril::sleep(24h); }); });
    CHECK(leak.failed == 7);
    CHECK(leak.seeds == 1);
    CHECK(leak.what == "seed 7: left behind: 1 fiber, 1 stack, 1 timer");
    left.kill();
    left = {};
    const exploration hang = explore(7, 3, [] { tendril::sleep(forever); });
    CHECK(hang.what == "seed 7: it was not over after an hour");
}

TEST_CASE_FIXTURE(test::clean_end_of_threads,
                  "a scenario that bears every kill is named and left") {
    exploration found;
    test::on_other_thread([&] {
        found = explore(7, 3, [] {
            for (;;) {
                try {
                    tendril::sleep(1h);
                } catch (const greenlet_exit&) {
                    // Whatever.
                }
            }
        });
    });
    CHECK(found.seeds == 1);
    CHECK(found.what.find("seed 7: it was not over after an hour, and alive after 10 "
                          "kills: fiber ") == 0);
    CHECK(reported.size() == 1);
    reported.clear();
}

TEST_CASE_FIXTURE(clean_end,
                  "a scenario with queues, locks, timeouts and kills holds") {
    constexpr std::uint64_t seeds = test::repetitions(100'000);
    const exploration all = explore(1, seeds, [] {
        mutex m;
        condition_variable changed;
        queue<int> q(2);
        int put = 0, got = 0, inside = 0;
        bool over = false;
        const auto work = [&] {
            for (int i = 0; i < 3; ++i) {
                timeout::silent(2ms, [&] {
                    const std::lock_guard held(m);
                    require(inside++ == 0, "two in the mutex");
                    struct leave {
                        int& n;
                        ~leave() { --n; }
                    } const at_end{inside};
                    tendril::sleep(1ms);
                });
                if (q.put_for(int{i}, 3ms)) ++put;
                yield();
            }
        };
        auto consumer = spawn([&] {
            while (q.get() >= 0) ++got;
        });
        auto watcher = spawn([&] {
            std::unique_lock held(m);
            while (!over) changed.wait(held);
        });
        std::vector<fiber<>> all;
        for (int i = 0; i < 4; ++i) all.push_back(spawn(work));
        tendril::sleep(2ms);
        all[1].kill();
        for (const auto& f : all) f.join();
        q.put(-1);
        consumer.wait();
        {
            const std::lock_guard held(m);
            over = true;
        }
        changed.notify_all();
        watcher.wait();
        // The killed one may have put an item that it could not count.
        require(got == put || got == put + 1, "an item was lost or doubled");
    });
    CHECK(all.what == "");
    CHECK(all.seeds == seeds);
}

TEST_SUITE_END();
