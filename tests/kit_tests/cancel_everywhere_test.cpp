// cancel_everywhere_test.cpp - that it finds what it is there to find. What it calls
// runs in virtual_time, and so does each case: no sleep in here is a real one.
//
// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/detail/choices.hpp>
#include <tendril/runtime/hub.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>
#include <tendril/sync/mutex.hpp>
#include <tendril/test/allocation_faults.hpp>
#include <tendril/test/cancel_everywhere.hpp>
#include <tendril/test/seeded.hpp>

#include <algorithm>
#include <chrono>
#include <functional>
#include <mutex>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include "../support/other_thread.hpp"
#include "everywhere.hpp"
#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

using namespace std::chrono_literals;
using namespace tendril;
using test::cancel_everywhere;
using test::clean_virtual_time;

TEST_SUITE_BEGIN("kit/cancel everywhere");

namespace {

bool says(const std::vector<std::string>& problems, const std::string& part) {
    return std::any_of(problems.begin(), problems.end(), [&](const std::string& p) {
        return p.find(part) != std::string::npos;
    });
}

}  // namespace

TEST_CASE_FIXTURE(clean_virtual_time,
                  "what never waits nor allocates is over at once") {
    int runs = 0;
    const auto done = cancel_everywhere([&] { ++runs; });
    CHECK(done.problems.empty());
    CHECK(done.kills + done.timeouts + done.cancels + done.failed_allocations == 0);
    CHECK(runs >= 3);
}

TEST_CASE_FIXTURE(clean_virtual_time,
                  "each place to wait is met, by each of the three") {
    const auto done = cancel_everywhere([] {
        for (int i = 0; i < 4; ++i) tendril::sleep(6min);
    });
    CHECK(done.problems.empty());
    CHECK(done.kills >= 4);
    CHECK(done.timeouts >= 4);
    CHECK(done.cancels >= 4);
}

TEST_CASE_FIXTURE(clean_virtual_time,
                  "each allocation fails once, and then all after it") {
    const auto done = cancel_everywhere([] {
        // Not new-expressions, which a compiler may leave out.
        for (int i = 0; i < 3; ++i) ::operator delete(::operator new(64));
    });
    CHECK(done.problems.empty());
    CHECK(done.failed_allocations == (test::can_fail_allocations() ? 2 * 3 : 0));
}

TEST_CASE_FIXTURE(clean_virtual_time,
                  "a lock that is not given back is found" *
                      doctest::skip(!test::seeded::has_faults())) {
    static mutex m;
    const auto done = cancel_everywhere([] {
        if (!m.try_lock()) return;
        tendril::sleep(1s);
        m.unlock();
    });
    REQUIRE_FALSE(done.problems.empty());
    CHECK(done.problems.front() == "killed at moment 0: left behind: 1 locked mutex");
    // Nobody can unlock it any more.
    --detail::mutexes_held;
}

TEST_CASE_FIXTURE(clean_virtual_time,
                  "so is a fiber that is left running, and its timer") {
    std::vector<fiber<>> left;
    const auto done = cancel_everywhere([&] {
        left.push_back(spawn([] { tendril::sleep(24h * 365); }));
        tendril::sleep(1s);
        left.back().kill();
        left.pop_back();
    });
    CHECK(says(done.problems,
               "killed at moment 1: left behind: 1 fiber, 1 stack, 1 timer"));
    for (const auto& f : left) f.kill();
}

TEST_CASE_FIXTURE(clean_virtual_time, "so is a descriptor") {
    std::vector<int> left;
    const auto done = cancel_everywhere([&] {
        left.push_back(open("/dev/null", O_RDONLY | O_CLOEXEC));
        tendril::sleep(1s);
        close(left.back());
        left.pop_back();
    });
    CHECK(says(done.problems, "timed out at moment 0: left behind: 1 descriptor"));
    CHECK(says(done.problems, "cancelled at moment 0: left behind: 1 descriptor"));
    for (const int fd : left) close(fd);
}

TEST_CASE_FIXTURE(clean_virtual_time,
                  "so is memory" * doctest::skip(!test::can_fail_allocations())) {
    std::vector<int*> left;
    left.reserve(1000);
    const auto done = cancel_everywhere([&] {
        left.push_back(new int);
        tendril::sleep(1s);
        delete left.back();
        left.pop_back();
    });
    CHECK(says(done.problems, "killed at moment 0: left behind: 1 blocks of memory"));
    for (int* const p : left) delete p;
}

TEST_CASE_FIXTURE(clean_virtual_time,
                  "whatever else is thrown is told, and whoever never ends") {
    const auto other = cancel_everywhere([] {
        try {
            tendril::sleep(1s);
        } catch (const greenlet_exit&) {
            throw std::runtime_error("my own");
        }
    });
    REQUIRE(other.problems.size() == 1);
    CHECK(other.problems.front() ==
          "killed at moment 0: threw std::runtime_error: my own");

    const auto endless = cancel_everywhere([] {
        try {
            tendril::sleep(1s);
        } catch (const greenlet_exit&) {
            tendril::sleep(24h);
        }
    });
    CHECK(says(endless.problems, "killed at moment 0: not over after an hour"));
}

namespace {

// Bears every kill, also those of the end of its thread, which gives it up then.
template <class Wait>
std::function<void()> immortal(Wait wait) {
    return [wait] {
        for (;;) {
            try {
                wait();
            } catch (const greenlet_exit&) {
                // Whatever.
            }
        }
    };
}

}  // namespace

TEST_CASE_FIXTURE(test::clean_end_of_threads,
                  "who bears every kill is named, and holds up nobody") {
    const auto sleeps = immortal([] { tendril::sleep(1h); });
    const auto yields = immortal([] { yield(); });
    test::cancelled_everywhere asleep, busy;
    test::on_other_thread([&] {
        asleep = cancel_everywhere(sleeps);
        CHECK(hub::current().live_fibers() == 1);
    });
    test::on_other_thread([&] { busy = cancel_everywhere(yields); });
    for (const auto& [problems, bound] :
         {std::pair(asleep.problems, "an hour"),
          std::pair(busy.problems, "a million switches")}) {
        REQUIRE(problems.size() == 1);
        CHECK(problems.front().find(std::string("killed at moment 0: not over after ") +
                                    bound + ", and alive after 10 kills: fiber ") == 0);
    }
    CHECK(reported.size() == 2);
    reported.clear();
}

TEST_SUITE_END();
