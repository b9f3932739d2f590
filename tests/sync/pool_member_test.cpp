// pool_member_test.cpp - members that use their own pool.
//
// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/fiber.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>
#include <tendril/runtime/timeout.hpp>
#include <tendril/sync/pool.hpp>
#include <tendril/test/virtual_time.hpp>

#include <chrono>
#include <cstddef>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "../support/at_end.hpp"
#include "../support/clean_end.hpp"
#include "../support/errc_of.hpp"
#include <doctest/doctest.h>

using namespace std::chrono_literals;
using namespace tendril;
using test::clean_end;
using test::errc_of;
using test::virtual_time;

TEST_SUITE_BEGIN("sync/pool members");

TEST_CASE_FIXTURE(clean_end, "a member of the full pool spawns one that runs at once") {
    pool p(1);
    std::string order;
    bool ended = false;
    std::ptrdiff_t most = 0;
    auto outer = p.spawn([&] {
        auto inner = p.spawn([&] {
            yield();
            order += "inner ";
            most = p.running();
            return 4;
        });
        ended = inner.done();
        order += "outer ";
        return inner.wait();
    });
    CHECK(outer.wait() == 4);
    CHECK(ended);
    CHECK(order == "inner outer ");
    CHECK(most == 2);
    CHECK(p.free() == 1);
}

TEST_CASE_FIXTURE(clean_end, "where there is room a member spawns as anybody does") {
    pool p(2);
    bool ended = true;
    p.spawn([&] { ended = p.spawn([] {}).done(); }).wait();
    p.wait_all();
    CHECK_FALSE(ended);
}

TEST_CASE_FIXTURE(clean_end, "a pool of one walks a tree, however deep") {
    pool p(1);
    int nodes = 0;
    std::function<void(int)> walk = [&](int depth) {
        ++nodes;
        if (depth == 0) return;
        p.spawn_n(std::ref(walk), depth - 1);
        p.spawn_n(std::ref(walk), depth - 1);
    };
    p.spawn_n(std::ref(walk), 5);
    p.wait_all();
    CHECK(nodes == 63);
    CHECK(p.free() == 1);
}

TEST_CASE_FIXTURE(clean_end, "what the inner one throws is in its handle") {
    pool p(1);
    std::string caught;
    p.spawn([&] {
         const auto inner = p.spawn([] { throw std::runtime_error("inner"); });
         try {
             inner.wait();
         } catch (const std::runtime_error& e) {
             caught = e.what();
         }
     }).wait();
    CHECK(caught == "inner");
}

TEST_CASE_FIXTURE(clean_end, "a spawner that is interrupted ends the inner one first") {
    virtual_time time;
    pool p(1);
    std::string order;
    auto outer = p.spawn([&] {
        const test::at_end note{[&] { order += "outer"; }};
        p.spawn_n([&] {
            const test::at_end inner{[&] { order += "inner "; }};
            sleep(forever);
        });
    });
    yield();
    yield();
    outer.kill();
    outer.join();
    CHECK(order == "inner outer");
    CHECK(p.free() == 1);
    bool late = false;
    p.spawn([&] {
         late = !timeout::silent(1s, [&] { p.spawn([] { sleep(forever); }); });
     }).wait();
    CHECK(late);
    CHECK(p.free() == 1);
}

TEST_CASE_FIXTURE(clean_end,
                  "others are let in only when the inner one has ended too") {
    pool p(1);
    std::string order;
    p.spawn_n([&] {
        yield();
        p.spawn_n([&] {
            yield();
            order += "inner ";
        });
        order += "outer ";
    });
    p.spawn_n([&] { order += "other"; });
    p.wait_all();
    CHECK(order == "inner outer other");
}

TEST_CASE_FIXTURE(clean_end, "a member cannot wait for all") {
    pool p, other;
    std::optional<errc> own, of_other;
    auto member = p.spawn([&] {
        own = errc_of([&] { p.wait_all(); });
        of_other = errc_of([&] { other.wait_all(); });
    });
    member.wait();
    CHECK(own == errc::deadlock);
    CHECK(of_other == std::nullopt);
}

TEST_CASE_FIXTURE(clean_end, "a fiber that a member spawned elsewhere is no member") {
    pool p(1);
    bool waited = false;
    auto member = p.spawn([&] {
        spawn([&] {
            p.wait_all();
            waited = true;
        });
        yield();
    });
    member.wait();
    yield();
    CHECK(waited);
}

TEST_SUITE_END();
