// everywhere_work_test.cpp - groups of fibers, and waits for several, ended at every
// moment: nobody is left behind.
//
// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/cancel.hpp>
#include <tendril/runtime/error.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>
#include <tendril/sync/as_completed.hpp>
#include <tendril/sync/exception_group.hpp>
#include <tendril/sync/future.hpp>
#include <tendril/sync/gather.hpp>
#include <tendril/sync/race.hpp>
#include <tendril/sync/shield.hpp>
#include <tendril/sync/task_group.hpp>
#include <tendril/sync/wait.hpp>
#include <tendril/sync/wait_for.hpp>

#include <chrono>
#include <exception>
#include <new>
#include <vector>

#include "everywhere.hpp"
#include <doctest/doctest.h>

using namespace std::chrono_literals;
using namespace tendril;
using test::clean_virtual_time;
using test::companion;
using test::holds_everywhere;

namespace {

// Counts those who are in it.
struct present {
    explicit present(int& n) : n(n) { ++n; }

    present(const present&) = delete;
    present& operator=(const present&) = delete;

    ~present() { --n; }

    int& n;
};

}  // namespace

TEST_SUITE_BEGIN("kit/everywhere work");

TEST_CASE_FIXTURE(clean_virtual_time, "task_group: no member outlives its scope") {
    holds_everywhere(4, [] {
        int inside = 0;
        try {
            task_group g;
            g.run([&] {
                for (int i = 1; i <= 3; ++i) {
                    g.spawn([&, i] {
                        const present here(inside);
                        sleep(i * 1s);
                        yield();
                    });
                }
                sleep(1s);
                task_group inner;
                inner.run([&] {
                    inner.spawn([&] {
                        const present here(inside);
                        sleep(2s);
                    });
                });
            });
        } catch (const exception_group& e) {
            if (inside != 0) std::terminate();
            if (e.contains<std::bad_alloc>()) throw std::bad_alloc();
            throw;
        } catch (...) {
            if (inside != 0) std::terminate();
            throw;
        }
        if (inside != 0) std::terminate();
    });
}

TEST_CASE_FIXTURE(clean_virtual_time,
                  "gather and race and wait_for: who is ended ends them all") {
    const auto work = [](int& inside, duration d) {
        return [&inside, d] {
            const present here(inside);
            sleep(d);
            return 1;
        };
    };
    holds_everywhere(4, [&] {
        int inside = 0;
        try {
            // (One that fails by itself does not end the others.)
            const auto [one, two] =
                gather(return_exceptions, work(inside, 2s), work(inside, 1s));
            static_cast<void>(*one + *two);
            race(work(inside, 1s), work(inside, 2s));
            wait_for(work(inside, 1s), 2s);
        } catch (...) {
            if (inside != 0) std::terminate();
            throw;
        }
        if (inside != 0) std::terminate();
    });
}

TEST_CASE_FIXTURE(clean_virtual_time,
                  "wait and as_completed: who is ended is not told any more") {
    holds_everywhere(4, [] {
        const companion one([] { sleep(1s); });
        const companion two([] { sleep(2s); });
        const companion three([] { sleep(3s); });
        const std::vector all{one.handle(), two.handle(), three.handle()};
        wait(all, until::first_completed);
        wait(all, until::all_completed, 1s);
        for (const auto& f : as_completed(all)) {
            if (!f.done()) std::terminate();
        }
    });
}

TEST_CASE_FIXTURE(clean_virtual_time, "future: who is ended leaves the work alone") {
    holds_everywhere(2, [] {
        detail::promise<int> p;
        const auto f = p.get_future();
        const companion keeper([&] {
            sleep(3s);
            p.keep(1);
        });
        f.join_for(1s);
        if (f.wait() != 1) throw 1;
        keeper.join();
    });
}
