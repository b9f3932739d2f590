// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/fiber.hpp>
#include <tendril/runtime/hub.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>
#include <tendril/sync/shared_mutex.hpp>
#include <tendril/test/virtual_time.hpp>

#include <chrono>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <string>
#include <vector>

#include "../support/clean_end.hpp"
#include "../support/errc_of.hpp"
#include <doctest/doctest.h>

using namespace std::chrono_literals;
using namespace tendril;
using test::clean_end;
using test::errc_of;
using test::virtual_time;

TEST_SUITE_BEGIN("sync/shared_mutex");

namespace {

// Fibers that write ('W') or read ('r'), in the order of `kinds`, while main holds the
// mutex; returns who was in with whom: "rr,W,r".
std::string groups(shared_mutex& m, const std::string& kinds) {
    std::string in;
    std::vector<fiber<>> all;
    int inside = 0;
    m.lock();
    for (const char kind : kinds) {
        all.push_back(spawn([&, kind] {
            kind == 'W' ? m.lock() : m.lock_shared();
            if (inside++ == 0 && !in.empty()) in += ',';
            in += kind;
            yield();
            --inside;
            kind == 'W' ? m.unlock() : m.unlock_shared();
        }));
    }
    yield();
    m.unlock();
    for (const auto& f : all) f.wait();
    return in;
}

}  // namespace

TEST_CASE_FIXTURE(clean_end,
                  "readers together, writers alone, in the order they came") {
    shared_mutex m;
    CHECK(groups(m, "rr") == "rr");
    CHECK(groups(m, "WW") == "W,W");
    CHECK(groups(m, "rrWrrrWWr") == "rr,W,rrr,W,W,r");
}

TEST_CASE_FIXTURE(clean_end, "a reader does not pass a writer that waits") {
    shared_mutex m;
    m.lock_shared();
    auto writer = spawn([&] { const std::unique_lock held(m); });
    yield();
    CHECK_FALSE(m.try_lock_shared());
    auto reader = spawn([&] { const std::shared_lock held(m); });
    yield();
    CHECK_FALSE(reader.done());
    m.unlock_shared();
    writer.wait();
    reader.wait();
    CHECK(m.try_lock());
    m.unlock();
}

TEST_CASE_FIXTURE(clean_end, "a writer that gives up lets in the readers behind it") {
    virtual_time time;
    shared_mutex m;
    m.lock_shared();
    for (const bool by_kill : {true, false}) {
        auto writer = spawn([&, by_kill] {
            if (by_kill) m.lock();
            return m.try_lock_for(1s);
        });
        yield();
        auto reader = spawn([&] { const std::shared_lock held(m); });
        yield();
        CHECK_FALSE(reader.done());
        if (by_kill) writer.kill();
        reader.wait();
        writer.join();
        if (!by_kill) CHECK_FALSE(writer.wait());
    }
    m.unlock_shared();
    CHECK(m.try_lock());
    m.unlock();
}

TEST_CASE_FIXTURE(clean_end,
                  "unlocking what one does not hold, and locking twice, are errors") {
    shared_mutex m;
    CHECK(errc_of([&] { m.unlock(); }) == errc::not_owner);
    CHECK(errc_of([&] { m.unlock_shared(); }) == errc::not_owner);
    m.lock();
    CHECK(errc_of([&] { m.lock(); }) == errc::already_set);
    CHECK(errc_of([&] { m.lock_shared(); }) == errc::already_set);
    CHECK(errc_of([&] { m.unlock_shared(); }) == errc::not_owner);
    auto other = spawn([&] { return errc_of([&] { m.unlock(); }); });
    CHECK(other.wait() == errc::not_owner);
    m.unlock();
}

TEST_CASE_FIXTURE(clean_end, "the tries never park, or give up on time") {
    virtual_time time;
    shared_mutex m;
    CHECK(m.try_lock_shared());
    CHECK(m.try_lock_shared_for(1s));
    CHECK_FALSE(m.try_lock());
    const duration begin = time.passed();
    CHECK_FALSE(m.try_lock_for(1s));
    CHECK(time.passed() - begin == 1s);
    m.unlock_shared();
    m.unlock_shared();
    CHECK(m.try_lock_for(1s));
    auto other =
        spawn([&] { return m.try_lock_shared() || m.try_lock_shared_for(1s); });
    CHECK_FALSE(other.wait());
    m.unlock();
}

TEST_SUITE_END();
