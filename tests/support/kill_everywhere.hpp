// kill_everywhere.hpp - runs a scenario again and again, and in each run kills one of
// its fibers at another moment.
//
//     const int kills = kill_everywhere([](doomed& victim) {
//         mutex m;
//         auto other = spawn([&] { const std::lock_guard held(m); yield(); });
//         auto killed = victim.spawn([&] { const std::lock_guard held(m); yield(); });
//         other.wait();
//         killed.join();
//         return m.try_lock() && (m.unlock(), true);         // all is as it should be
//     });
//     CHECK(kills >= 4);                                     // it was not for nothing
//
// The moments are the switches between other stacks while the victim is away, so that
// it is killed at every place where it parks, and also where it has been woken, or
// given something, but has not run yet. Time is virtual. A scenario that hangs ends
// with timed_out after an hour of it.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <tendril/runtime/error.hpp>
#include <tendril/runtime/fiber.hpp>
#include <tendril/runtime/hub.hpp>
#include <tendril/runtime/spawn.hpp>
#include <tendril/runtime/timeout.hpp>
#include <tendril/runtime/trace.hpp>
#include <tendril/test/virtual_time.hpp>

#include <chrono>
#include <cstddef>
#include <exception>
#include <string>
#include <utility>

#include <doctest/doctest.h>

namespace tendril::test {

class doomed {
  public:
    // `strikes` kills in a row, from the `moment`-th on.
    doomed(int moment, int strikes)
        : moment_(moment),
          strikes_(strikes),
          old_(set_trace([this](auto...) { strike(); })) {}

    doomed(const doomed&) = delete;
    doomed& operator=(const doomed&) = delete;

    ~doomed() { set_trace(std::move(old_)); }

    template <class F>
    fiber<> spawn(F body) {
        return tendril::spawn([this, body = std::move(body)]() mutable {
            struct hunted {
                doomed& by;

                ~hunted() { by.victim_ = nullptr; }
            };

            victim_ = detail::this_scheduler->current;
            const hunted until_it_ends{*this};
            body();
        });
    }

    // It has been killed at least once.
    bool struck() const noexcept { return struck_ > 0; }

  private:
    void strike() {
        if (victim_ == nullptr || detail::this_scheduler->current == victim_) return;
        if (seen_++ < moment_ || struck_ == strikes_) return;
        ++struck_;
        detail::kill_here(*victim_, std::make_exception_ptr(greenlet_exit{}));
    }

    detail::fiber_core* victim_ = nullptr;
    int moment_;
    int strikes_;
    int seen_ = 0;
    int struck_ = 0;
    tracer old_;
};

// Returns the number of runs in which the victim was killed.
template <class Scenario>
int kill_everywhere(Scenario scenario, int strikes = 1) {
    using namespace std::chrono_literals;
    hub& h = hub::current();
    const std::size_t fibers = h.live_fibers();
    const std::size_t timers = h.armed_timers();
    for (int moment = 0;; ++moment) {
        bool struck = false;
        bool intact = false;
        {
            virtual_time time;
            doomed victim(moment, strikes);
            const timeout limit(1h);
            intact = scenario(victim);
            struck = victim.struck();
        }
        CHECK_MESSAGE(intact, "after a kill at moment " << moment);
        CHECK_MESSAGE(h.live_fibers() == fibers, "after a kill at moment " << moment);
        CHECK_MESSAGE(h.armed_timers() == timers, "after a kill at moment " << moment);
        if (!struck) return moment;
    }
}

}  // namespace tendril::test
