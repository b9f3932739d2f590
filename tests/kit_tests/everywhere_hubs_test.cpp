// everywhere_hubs_test.cpp - work on other hubs, pools of it, and intervals, ended at
// every moment.
//
// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/cancel.hpp>
#include <tendril/runtime/error.hpp>
#include <tendril/runtime/hub.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>
#include <tendril/sync/fiber_pool.hpp>
#include <tendril/sync/flag.hpp>
#include <tendril/sync/future.hpp>
#include <tendril/sync/hub_thread.hpp>
#include <tendril/sync/interval.hpp>
#include <tendril/sync/intervals.hpp>
#include <tendril/sync/spawn_on.hpp>

#include <chrono>
#include <exception>
#include <memory>
#include <new>
#include <utility>

#include "../support/loopback.hpp"
#include "../support/other_thread.hpp"
#include "everywhere.hpp"
#include <doctest/doctest.h>

using namespace std::chrono_literals;
using namespace tendril;
using test::clean_virtual_time;
using test::companion;
using test::holds_everywhere;

namespace {

// While a thread is waited for, time is real: this one's hub has I/O to wait for.
class clean_end_with_io : test::spare_doorbells, public test::clean_net_end {
  private:
    test::registered waits_for_io_;
};

// Ends its work with the scope that it is in.
class sent {
  public:
    template <class F>
    explicit sent(F f) : work_(spawn_on(hub::current().handle(), std::move(f))) {}

    sent(const sent&) = delete;
    sent& operator=(const sent&) = delete;

    ~sent() {
        const uninterrupted here;
        try {
            work_.cancel();
        } catch (const std::bad_alloc&) {
            // It ends by itself.
        }
        work_.join();
    }

    const future<int>* operator->() const { return &work_; }

  private:
    future<int> work_;
};

}  // namespace

TEST_SUITE_BEGIN("kit/everywhere hubs");

TEST_CASE_FIXTURE(clean_virtual_time,
                  "spawn_on: who is ended leaves the work as it is") {
    holds_everywhere(3, [] {
        const auto given = std::make_shared<int>(1);
        {
            const sent quick([given] { return *given; });
            const sent slow([given] {
                tendril::sleep(1s);
                return *given + 1;
            });
            if (quick->wait() != 1) throw 1;
            if (slow->join_for(1ms)) throw 1;
            if (slow->wait() != 2) throw 1;
        }
        if (given.use_count() != 1) std::terminate();
    });
}

TEST_CASE_FIXTURE(clean_end_with_io, "hub_thread: all there ends with who made it") {
    holds_everywhere(2, [] {
        flag go;
        hub_thread there;
        there.spawn([] { tendril::sleep(forever); });
        const auto answer = there.spawn([&] {
            go.wait();
            return 3;
        });
        const companion other([&] {
            yield();
            go.set();
        });
        if (answer.wait() != 3) throw 1;
        there.stop();
        there.join();
    });
}

TEST_CASE_FIXTURE(clean_end_with_io, "close: who is ended has closed the pool") {
    holds_everywhere(2, [] {
        int done = 0, sent = 0;
        flag go;
        {
            fiber_pool pool(1);
            pool.start();
            for (; sent < 3; ++sent) {
                pool.submit([&] {
                    go.wait();
                    ++done;
                });
            }
            const companion other([&] {
                yield();
                go.set();
            });
            try {
                pool.close();
            } catch (...) {
                try {
                    pool.submit([] {});
                    std::terminate();
                } catch (const fiber_error& e) {
                    if (e.code() != errc::closed) std::terminate();
                }
                const uninterrupted here;
                pool.close();
                if (done != sent) std::terminate();
                throw;
            }
        }
        if (done != sent) std::terminate();
    });
}

TEST_CASE_FIXTURE(clean_virtual_time, "intervals: none goes on when they are gone") {
    holds_everywhere(3, [] {
        int ticks = 0;
        {
            intervals timers;
            timers.schedule("quick", 1s, 1s, [&] { ++ticks; });
            timers.schedule("slow", 1s, 1s, [&] {
                tendril::sleep(1h);
                ++ticks;
            });
            tendril::sleep(2500ms);
            timers.stop("slow");
            timers.stop("quick");
        }
        const int then = ticks;
        const uninterrupted here;
        tendril::sleep(5s);
        if (ticks != then) std::terminate();
    });
}

TEST_SUITE_END();
