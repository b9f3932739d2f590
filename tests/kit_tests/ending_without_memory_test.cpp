// ending_without_memory_test.cpp - a kill of who gathers, when there is no memory to
// tell a fiber of another thread.
//
// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/error.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>
#include <tendril/sync/gather.hpp>
#include <tendril/sync/hub_thread.hpp>
#include <tendril/test/allocation_faults.hpp>

#include <cstddef>
#include <new>
#include <optional>
#include <string>

#include "../support/clean_end.hpp"
#include "../support/other_thread.hpp"
#include <doctest/doctest.h>

using namespace tendril;
using test::clean_end_of_threads;
using test::failing_allocations;

namespace {

struct ending {
    bool waited = false;
    bool failed_to_allocate = false;
    bool was_killed = false;
    int left_running = 0;
};

struct present {
    explicit present(int& n) : n(n) { ++n; }

    present(const present&) = delete;
    present& operator=(const present&) = delete;

    ~present() { --n; }

    int& n;
};

// Kills a fiber that gathers `distant` and a call, and whose `at`-th allocation fails.
ending kill_who_gathers(const fiber<>& distant, std::size_t at) {
    ending result;
    int running = 0;
    auto caller = spawn([&] {
        std::optional<failing_allocations> faults;
        faults.emplace(at, false);
        const auto note = [&] {
            result.left_running = running;
            result.failed_to_allocate = faults->failed();
            faults.reset();
        };
        try {
            gather(distant, [&] {
                const present here(running);
                sleep(forever);
            });
        } catch (const greenlet_exit&) {
            note();
            result.was_killed = true;
            throw;
        } catch (const std::bad_alloc&) {
            note();
        }
    });
    yield();
    yield();
    result.waited = !caller.done();
    caller.kill();
    caller.join();
    return result;
}

}  // namespace

TEST_SUITE_BEGIN("kit/ending without memory");

TEST_CASE_FIXTURE(clean_end_of_threads,
                  "a kill is not lost and nobody goes on who can be ended") {
    if (!test::can_fail_allocations()) return;
    hub_thread there;
    ending last{.failed_to_allocate = true};
    bool untold = false;
    for (std::size_t at = 0; last.failed_to_allocate; ++at) {
        CAPTURE(at);
        const auto distant =
            there.spawn([] { return spawn([] { sleep(forever); }); }).wait();
        last = kill_who_gathers(distant, at);
        CHECK(last.left_running == 0);
        CHECK(last.was_killed == last.waited);
        if (!reported.empty()) {
            untold = true;
            CHECK(reported.size() == 1);
            CHECK(reported.front() ==
                  "ending what an ended fiber had waited for: "
                  "std::bad_alloc: std::bad_alloc");
            reported.clear();
        }
        distant.kill();
        distant.join();
        yield();
    }
    CHECK(untold);
}
