// task_group_cancel_test.cpp - groups that end early, or are ended from outside.
//
// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/cancel.hpp>
#include <tendril/runtime/error.hpp>
#include <tendril/runtime/hub.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>
#include <tendril/runtime/timeout.hpp>
#include <tendril/sync/exception_group.hpp>
#include <tendril/sync/task_group.hpp>
#include <tendril/test/virtual_time.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstring>
#include <memory>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>

#include "../support/clean_end.hpp"
#include "../support/errc_of.hpp"
#include "../support/group_of.hpp"
#include "../support/other_thread.hpp"
#include <doctest/doctest.h>

using namespace std::chrono_literals;
using namespace tendril;
using test::clean_end;
using test::clean_end_of_threads;
using test::errc_of;
using test::fail_with;
using test::group_of;
using test::virtual_time;

namespace {

// A group of one member that fails when it is cancelled: the group's error, if any.
std::optional<exception_group> failing_when_cancelled() {
    task_group g;
    try {
        g.run([&] {
            g.spawn([] {
                try {
                    sleep(forever);
                } catch (const cancelled&) {
                    fail_with("clean-up");
                }
            });
        });
    } catch (const exception_group& e) {
        return e;
    }
    return std::nullopt;
}

}  // namespace

TEST_SUITE_BEGIN("sync/task_group");

TEST_CASE_FIXTURE(clean_end, "no cancel of a scope that is gone is thrown later") {
    const virtual_time from_here;
    cancel_scope left(1s);
    CHECK(left.run([] { CHECK(failing_when_cancelled()); }));
    CHECK_FALSE(left.cancelled_caught());
    bool went_on = false;
    sleep(1s);
    // In it, it is thrown as ever.
    cancel_scope within(1s);
    CHECK_FALSE(within.run([&] {
        CHECK(failing_when_cancelled());
        sleep(1s);
        went_on = true;
    }));
    CHECK(within.cancelled_caught());
    CHECK_FALSE(went_on);
    sleep(1s);
}

TEST_CASE_FIXTURE(clean_end,
                  "a timeout is in the group if members failed because of it") {
    const virtual_time from_here;
    const auto error = with_timeout(1s, failing_when_cancelled);
    REQUIRE(error);
    REQUIRE(*error);
    CHECK((*error)->exceptions().size() == 2);
    CHECK((*error)->contains<timed_out>());
    CHECK((*error)->contains<std::runtime_error>());
    sleep(1s);
}

TEST_CASE_FIXTURE(clean_end, "what a member discards may wait for others to end") {
    struct ends_helper {
        explicit ends_helper(fiber<> f) : helper(std::move(f)) {}

        ends_helper(ends_helper&&) noexcept = default;
        ends_helper(const ends_helper&) = delete;
        ends_helper& operator=(const ends_helper&) = delete;

        ~ends_helper() {
            if (!helper) return;
            const uninterrupted here;
            helper.kill();
            helper.join();
        }

        fiber<> helper;
    };

    bool began = false;
    task_group g;
    const auto run = [&] {
        g.run([&] {
            auto slow_to_end = spawn([] {
                try {
                    sleep(forever);
                } catch (const greenlet_exit&) {
                    const uninterrupted here;
                    for (int i = 0; i < 5; ++i) yield();
                    throw;
                }
            });
            yield();
            g.spawn([discarded = ends_helper(slow_to_end)] {});
            g.spawn([&] { began = true; });
            g.spawn([&] { began = true; });
            fail_with("body");
        });
    };
    CHECK(group_of(run) == "1 exception: std::runtime_error: body");
    CHECK_FALSE(began);
    yield();
}

TEST_CASE_FIXTURE(clean_end, "run waits for who cancels, whom a link may keep") {
    std::string order;
    auto g = std::make_unique<task_group>();
    fiber<> canceller;
    g->run([&] {
        canceller = spawn([&] {
            g->cancel();
            order += "cancelled ";
        });
        g->spawn([] {}).link([&] {
            for (int i = 0; i < 5; ++i) yield();
            order += "told ";
        });
    });
    order += "over ";
    g.reset();
    canceller.wait();
    CHECK(order.starts_with("told "));
    CHECK(order.size() == 20);
}

TEST_CASE_FIXTURE(clean_end, "whom a cancelled group refuses to spawn has not failed") {
    bool reached = false;
    task_group before;
    before.cancel();
    before.run([&] {
        before.spawn([] {});
        reached = true;
    });
    CHECK_FALSE(reached);
    // Neither have members, whose fibers end with what they were told.
    fiber<> refused;
    std::optional<errc> from_outside;
    task_group g;
    g.run([&] {
        refused = g.spawn([&] {
            g.cancel();
            g.spawn([] {});
        });
        auto outsider = spawn([&] { from_outside = errc_of([&] { g.spawn([] {}); }); });
        const uninterrupted here;
        outsider.join();
    });
    yield();
    CHECK(from_outside == errc::closed);
    CHECK(errc_of([&] { refused.wait(); }) == errc::closed);
}

TEST_CASE_FIXTURE(
    clean_end_of_threads,
    "a cancel from another thread reads nothing of a group that is over") {
    std::atomic<task_group*> to_cancel{nullptr};
    std::atomic<bool> over{false};
    std::thread other([&] {
        while (!over) {
            if (task_group* const g = to_cancel.exchange(nullptr)) g->cancel();
        }
    });
    alignas(task_group) std::array<std::byte, sizeof(task_group)> room;
    for (int i = 0; i < 3000; ++i) {
        auto* const g = new (room.data()) task_group;
        g->run([&] {
            g->spawn([] { sleep(forever); });
            to_cancel = g;
        });
        g->~task_group();
        std::memset(room.data(), 0xff, sizeof room);
    }
    over = true;
    other.join();
    yield();
}
