// What becomes of hub callbacks when their thread ends.
// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/fiber.hpp>
#include <tendril/runtime/greenlet.hpp>
#include <tendril/runtime/hub.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>

#include <chrono>
#include <memory>
#include <utility>

#include "../support/at_end.hpp"
#include "../support/other_thread.hpp"
#include <doctest/doctest.h>

using namespace std::chrono_literals;
using namespace tendril;
using test::at_end;
using test::clean_end_of_threads;
using test::freed_with_hub;
using test::on_other_thread;

TEST_SUITE_BEGIN("runtime/hub thread end");

TEST_CASE_FIXTURE(clean_end_of_threads,
                  "callbacks still to come are dropped, with all they hold") {
    std::weak_ptr<int> hub_memory;
    auto owned = std::make_shared<int>(1);
    const std::weak_ptr<int> alive = owned;
    timer later;
    on_other_thread([&] {
        hub& h = hub::current();
        hub_memory = freed_with_hub();
        // Each holds a handle too, whose fiber goes with it.
        auto ended = [] {
            auto f = spawn([] { return 1; });
            f.wait();
            return f;
        };
        auto a = ended(), b = ended(), c = ended();
        h.call_soon([owned, f = std::move(a)] { FAIL_CHECK("too late"); });
        later = h.call_later(1h, [owned, f = std::move(b)] { FAIL_CHECK("too late"); });
        h.call_later_local(1h, [owned] { FAIL_CHECK("too late"); });
        h.post([owned, f = std::move(c)] { FAIL_CHECK("too late"); });
        owned = nullptr;
    });
    CHECK(alive.expired());
    CHECK(hub_memory.expired());
    CHECK_FALSE(later.pending());
    CHECK_FALSE(later.cancel());
}

TEST_CASE_FIXTURE(clean_end_of_threads,
                  "a callback that has switched away is unwound, and starts nothing") {
    std::weak_ptr<int> hub_memory;
    int unwound = 0;
    for (const bool posted : {false, true}) {
        on_other_thread([&] {
            hub& h = hub::current();
            hub_memory = freed_with_hub();
            auto callback = [&unwound, me = greenlet<>::current()]() mutable {
                const at_end note{[&] { ++unwound; }};
                me.switch_to();
                FAIL_CHECK("what it refers to may be gone");
            };
            if (posted) {
                h.post(callback);
            } else {
                h.call_soon(callback);
            }
            h.switch_out();
            spawn([] { FAIL_CHECK("too late"); });
        });
        CHECK(hub_memory.expired());
    }
    CHECK(unwound == 2);
}

TEST_CASE_FIXTURE(clean_end_of_threads,
                  "a callback that schedules itself for ever holds no thread up") {
    std::weak_ptr<int> hub_memory;
    on_other_thread([&] {
        hub_memory = freed_with_hub();

        struct tick {
            void operator()() const { hub::current().call_soon(tick()); }
        };

        tick()();
        spawn([] { tendril::sleep(forever); });
        yield();
    });
    CHECK(hub_memory.expired());
}

TEST_SUITE_END();
