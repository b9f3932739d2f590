// everywhere_pools_test.cpp - pools, piles and their kin, ended at every moment.
//
// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/cancel.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>
#include <tendril/sync/dag_pool.hpp>
#include <tendril/sync/pile.hpp>
#include <tendril/sync/pool.hpp>
#include <tendril/sync/resource_pool.hpp>

#include <chrono>
#include <exception>
#include <string>
#include <vector>

#include "everywhere.hpp"
#include <doctest/doctest.h>

using namespace std::chrono_literals;
using namespace tendril;
using test::clean_virtual_time;
using test::companion;
using test::holds_at_end;
using test::holds_everywhere;

namespace {

// At its end all slots are free, once all members have ended.
class whole {
  public:
    explicit whole(pool& p) : pool_(p) {}

    whole(const whole&) = delete;
    whole& operator=(const whole&) = delete;

    ~whole() {
        const uninterrupted here;
        pool_.wait_all();
        if (pool_.free() != pool_.size() || pool_.waiting() != 0) std::terminate();
    }

  private:
    pool& pool_;
};

}  // namespace

TEST_SUITE_BEGIN("kit/everywhere pools");

TEST_CASE_FIXTURE(clean_virtual_time, "pool: no slot is lost or new") {
    holds_everywhere(4, [] {
        pool p(2);
        const whole at_end(p);
        const auto body = [] { tendril::sleep(1s); };
        const companion other([&] { p.spawn(body), p.spawn(body).wait(); });
        for (int i = 0; i < 3; ++i) p.spawn_n(body);
        p.spawn(body).wait();
        p.wait_all();
    });
}

TEST_CASE_FIXTURE(clean_virtual_time, "pool: a member in its full pool ends with it") {
    holds_everywhere(1, [] {
        pool p(1);
        const whole at_end(p);
        p.spawn([&] {
             p.spawn([] { tendril::sleep(1s); }).wait();
             p.spawn([&] { p.spawn([] { tendril::sleep(1s); }); }).wait();
         }).wait();
    });
}

TEST_CASE_FIXTURE(clean_virtual_time,
                  "imap and imap_unordered: left with no call alive") {
    holds_everywhere(4, [] {
        pool p(2);
        const whole at_end(p);
        const companion other([&] { p.spawn([] { tendril::sleep(1s); }).wait(); });
        const auto call = [](int n) {
            tendril::sleep(std::chrono::seconds(n));
            return n;
        };
        int sum = 0;
        const std::vector<int> items{3, 1, 2};
        for (const int r : p.imap(call, items)) sum += r;
        for (const int r : p.imap_unordered(call, items)) sum += r;
        if (sum != 12) throw 1;
    });
}

TEST_CASE_FIXTURE(clean_virtual_time, "pile: no slot is lost and no result") {
    holds_everywhere(4, [] {
        pool p(1);
        const whole at_end(p);
        pile<int> results(p);
        const companion other([&] {
            for (int i = 0; i < 2; ++i) {
                results.spawn([] {
                    tendril::sleep(1s);
                    return 1;
                });
            }
        });
        results.spawn([] { return 1; });
        int sum = 0;
        for (const int r : results) sum += r;
        if (sum != 3) throw 1;
        other.join();
    });
}

TEST_CASE_FIXTURE(clean_virtual_time, "resource_pool: each resource is idle or gone") {
    holds_everywhere(4, [] {
        resource_pool<int> p(
            [] {
                tendril::sleep(1s);
                return 1;
            },
            {.max = 1});
        const holds_at_end all_there([&] { return p.free() == 1 && p.waiting() == 0; });
        const companion other([&] {
            for (;;) {
                const auto his = p.get();
                tendril::sleep(1s);
            }
        });
        for (int i = 0; i < 3; ++i) {
            auto mine = p.get();
            yield();
            if (i == 1) mine.discard();
        }
        p.get_for(1ms);
    });
}

TEST_CASE_FIXTURE(clean_virtual_time, "dag_pool: left with no fiber and no waiter") {
    holds_everywhere(3, [] {
        using dag = dag_pool<std::string, int>;
        dag d({{"a", 1}});
        const auto add = [](const std::string&, const dag::results& needed) {
            int sum = 0;
            for (const auto& [key, value] : needed) sum += value;
            tendril::sleep(1s);
            return sum;
        };
        d.spawn("d", {"b", "c"}, add);
        d.spawn("b", {"a"}, add);
        d.spawn("c", {"a", "b"}, add);
        int sum = 0;
        for (const auto& [key, value] : d.wait_each()) sum += value;
        d.wait_all();
        if (sum != 1 + 1 + 2 + 3) throw 1;
    });
}

TEST_SUITE_END();
