// scoped_lock_test.cpp - several mutexes at once.
//
// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/fiber.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>
#include <tendril/sync/mutex.hpp>

#include <array>
#include <mutex>
#include <vector>

#include "../support/clean_end.hpp"
#include "../support/errc_of.hpp"
#include "../support/is_free.hpp"
#include "../support/kill_everywhere.hpp"
#include <doctest/doctest.h>

using namespace tendril;
using test::clean_end;
using test::errc_of;
using test::is_free;

TEST_SUITE_BEGIN("sync/mutex scoped_lock");

TEST_CASE_FIXTURE(clean_end, "scoped_lock takes several in any order, all get them") {
    mutex a, b, c;
    bool alone = true;
    std::array<int, 6> rounds{};
    const auto body = [&](int& done, auto&... in_this_order) {
        for (; done < 50; ++done) {
            const std::scoped_lock held(in_this_order...);
            alone = alone && errc_of([&] { a.lock(); }) == errc::already_set;
            yield();
        }
    };
    const std::array fibers{spawn([&] { body(rounds[0], a, b); }),
                            spawn([&] { body(rounds[1], b, a); }),
                            spawn([&] { body(rounds[2], a, b); }),
                            spawn([&] { body(rounds[3], a, c, b); }),
                            spawn([&] { body(rounds[4], b, c, a); }),
                            spawn([&] { body(rounds[5], c, a, b); })};
    for (const auto& f : fibers) f.wait();
    for (const int done : rounds) CHECK(done == 50);
    CHECK(alone);
    for (mutex* m : {&a, &b, &c}) CHECK(is_free(*m));
}

TEST_CASE_FIXTURE(clean_end,
                  "scoped_lock adopts what is locked, and refuses one twice") {
    mutex a, b;
    a.lock();
    b.lock();
    { const std::scoped_lock held(std::adopt_lock, a, b); }
    CHECK(is_free(a));
    CHECK(is_free(b));
    CHECK(errc_of([&] { const std::scoped_lock twice(a, b, a); }) == errc::already_set);
    CHECK(is_free(a));
    CHECK(is_free(b));
}

TEST_CASE_FIXTURE(clean_end, "killed while it locks several, it keeps none") {
    const int kills = test::kill_everywhere([](test::doomed& victim) {
        mutex a, b, c;
        const auto body = [](auto&... in_this_order) {
            for (int i = 0; i < 3; ++i) {
                const std::scoped_lock held(in_this_order...);
                yield();
            }
        };
        const std::vector<fiber<>> fibers{
            spawn([&] { body(a, b); }), spawn([&] { body(c, b); }),
            victim.spawn([&] { body(c, a, b); }), spawn([&] { body(b, a); })};
        for (const auto& f : fibers) f.join();
        return is_free(a) && is_free(b) && is_free(c);
    });
    CHECK(kills >= 10);
}
