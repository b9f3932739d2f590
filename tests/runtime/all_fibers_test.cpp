// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/fiber.hpp>
#include <tendril/runtime/greenlet.hpp>
#include <tendril/runtime/hub.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>

#include <cstddef>
#include <vector>

#include "../support/other_thread.hpp"
#include <doctest/doctest.h>

using namespace tendril;
using test::clean_end;
using test::clean_end_of_threads;

TEST_SUITE_BEGIN("runtime/fiber");

TEST_CASE_FIXTURE(clean_end, "all_fibers are those that have not ended as spawned") {
    CHECK(all_fibers().empty());
    auto ended = spawn([] {});
    auto parked = spawn([] { tendril::sleep(forever); });
    yield();
    auto unstarted = spawn([] {});
    auto cancelled = spawn([] {});
    auto delayed = spawn_after(std::chrono::hours(1), [] {});
    CHECK(cancelled.cancel());
    CHECK(all_fibers() == std::vector<any_fiber>{parked, unstarted, delayed});
    parked.kill();
    delayed.cancel();
    unstarted.wait();
    CHECK(all_fibers().empty());
}

TEST_CASE_FIXTURE(clean_end, "the caller is among them and main is not") {
    std::vector<any_fiber> seen;
    any_fiber self;
    spawn([&] {
        self = current();
        seen = all_fibers();
    }).wait();
    CHECK(seen == std::vector<any_fiber>{self});
    CHECK(current().id() != self.id());
}

TEST_CASE_FIXTURE(clean_end, "greenlets are none of them") {
    greenlet<> suspended(
        [self = greenlet<>::current()]() mutable { self.switch_to(); });
    suspended.switch_to();
    CHECK(hub::current().live_fibers() == 1);
    CHECK(all_fibers().empty());
    suspended.switch_to();
}

TEST_CASE_FIXTURE(clean_end, "a callback can end all that nobody holds") {
    int ended = 0;
    for (int i = 0; i < 3; ++i) {
        spawn([&] {
            try {
                tendril::sleep(forever);
            } catch (const greenlet_exit&) {
                ++ended;
                throw;
            }
        });
    }
    yield();
    hub::current().call_soon([] {
        for (const any_fiber& f : all_fibers()) f.kill();
    });
    while (!all_fibers().empty()) yield();
    CHECK(ended == 3);
}

TEST_CASE_FIXTURE(clean_end_of_threads, "another thread's fibers are not seen") {
    auto mine = spawn([] { tendril::sleep(forever); });
    std::size_t there = 1;
    test::on_other_thread([&] { there = all_fibers().size(); });
    CHECK(there == 0);
    CHECK(all_fibers() == std::vector<any_fiber>{mine});
    mine.kill();
}

TEST_SUITE_END();
