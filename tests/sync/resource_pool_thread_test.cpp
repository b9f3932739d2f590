// resource_pool_thread_test.cpp - one pool of resources for several threads.
//
// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/sleep.hpp>
#include <tendril/sync/resource_pool.hpp>

#include <atomic>
#include <chrono>
#include <stdexcept>

#include "../support/at_end.hpp"
#include "../support/hub_threads.hpp"
#include "../support/live_dangerously.hpp"
#include "../support/other_thread.hpp"
#include <doctest/doctest.h>

using namespace std::chrono_literals;
using namespace tendril;
using test::clean_end_of_threads;
using test::in_a_hurry;
using test::live_dangerously;
using test::on_threads;
using test::random_source;

namespace {

std::atomic<int> alive{0}, most_alive{0};

struct resource {
    resource() {
        const int now = ++alive;
        int most = most_alive;
        while (now > most && !most_alive.compare_exchange_weak(most, now)) continue;
    }

    resource(const resource&) = delete;
    resource& operator=(const resource&) = delete;

    ~resource() { --alive; }

    std::atomic<int> users{0};
};

}  // namespace

TEST_SUITE_BEGIN("sync/resource_pool between threads");

TEST_CASE_FIXTURE(clean_end_of_threads,
                  "killed at random each resource has one user and none is lost") {
    most_alive = 0;
    {
        std::atomic<unsigned> calls{0};
        std::atomic<bool> over{false}, shared{false};
        resource_pool<resource> p(
            [&] {
                yield();
                if (++calls % 5 == 0) throw std::runtime_error("refused");
                return resource();
            },
            {.max = 3, .max_idle = 20us});
        const auto use = [&](bool discard) {
            try {
                auto mine = p.get_for(100us);
                if (!mine) return;
                if (++(*mine)->users != 1) shared = true;
                {
                    const test::at_end leave{[&users = (*mine)->users] { --users; }};
                    yield();
                }
                if (discard) mine->discard();
            } catch (const std::runtime_error&) {
                return;
            }
        };
        on_threads(3, [&](int thread) {
            if (thread == 0) {
                live_dangerously(3, [&](random_source& random) {
                    in_a_hurry(random, [&] { use(random() % 4 == 0); });
                    yield();
                });
                over = true;
            } else {
                for (unsigned i = 0; !over; ++i) use(i % 7 == 0);
            }
        });
        CHECK_FALSE(shared);
        CHECK(p.free() == 3);
        CHECK(p.waiting() == 0);
    }
    CHECK(most_alive <= 3);
    CHECK(alive == 0);
}

TEST_SUITE_END();
