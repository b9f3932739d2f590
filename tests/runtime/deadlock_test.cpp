// deadlock_test.cpp - when nothing can happen any more, and when something still can.
//
// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/cancel.hpp>
#include <tendril/runtime/deadlock.hpp>
#include <tendril/runtime/hub.hpp>
#include <tendril/runtime/run.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>
#include <tendril/sync/event.hpp>
#include <tendril/sync/queue.hpp>
#include <tendril/test/virtual_time.hpp>

#include <chrono>
#include <latch>
#include <string>
#include <thread>

#include "../support/at_end.hpp"
#include "../support/clean_end.hpp"
#include "../support/hub_threads.hpp"
#include "../support/other_thread.hpp"
#include <doctest/doctest.h>

using namespace std::chrono_literals;
using namespace tendril;
using test::at_end;
using test::clean_end;
using test::clean_end_of_threads;
using test::virtual_time;

TEST_SUITE_BEGIN("runtime/deadlock");

namespace {

template <class F>
std::string told_by(F f) {
    try {
        f();
    } catch (const deadlock& d) {
        return d.what();
    }
    return "";
}

}  // namespace

TEST_CASE_FIXTURE(clean_end,
                  "main is told, with a dump, and may go on" *
                      doctest::skip(test::under_tsan)) {
    queue<int> empty;
    auto reader = spawn({.name = "reader"}, [&] { empty.get(); });
    const std::string told = told_by([&] { reader.wait(); });
    CHECK(told.starts_with("no fiber can ever go on"));
    CHECK(told.find("'reader'") != std::string::npos);
    CHECK(told.find("waits for queue::get") != std::string::npos);
    CHECK(told.find("main fiber") != std::string::npos);
    // Once more, and by other waits.
    CHECK(told_by([&] { empty.get(); }) != "");
    CHECK(told_by([] { tendril::sleep(forever); }) != "");
    CHECK(told_by([&] { event<>().wait(); }) != "");
    empty.put(1);
    reader.wait();
}

TEST_CASE_FIXTURE(clean_end,
                  "run() ends the others first" * doctest::skip(test::under_tsan)) {
    int unwound = 0;
    const std::string told = told_by([&] {
        run([&] {
            const at_end note{[&] { ++unwound; }};
            queue<int> empty;
            spawn([&] {
                const at_end other{[&] { ++unwound; }};
                tendril::sleep(forever);
            });
            empty.get();
        });
    });
    CHECK(told != "");
    CHECK(unwound == 2);
}

TEST_CASE_FIXTURE(clean_end,
                  "under the virtual clock, too" * doctest::skip(test::under_tsan)) {
    virtual_time time;
    auto sleeper = spawn([] { tendril::sleep(1h); });
    sleeper.wait();
    CHECK(told_by([] { event<>().wait(); }) != "");
    CHECK(time.passed() == 1h);
}

TEST_CASE_FIXTURE(clean_end,
                  "a main that is shielded is reported" *
                      doctest::skip(test::under_tsan)) {
    virtual_time time;
    event<> never_sent;
    bool told = false;
    // The hook is called once; a timer ends the wait after that.
    shield(forever, [&] {
        const auto hook = set_exception_hook([&](std::exception_ptr, std::string_view) {
            told = true;
            hub::current().call_later(1s, [&] { never_sent.send(); });
        });
        never_sent.wait();
        set_exception_hook(hook);
    });
    CHECK(told);
    // And is not told afterwards what is not true any more.
    CHECK(told_by([] { yield(); }) == "");
}

TEST_CASE_FIXTURE(clean_end_of_threads,
                  "not while another thread could wake somebody") {
    event<> sent;
    std::latch waiting(1);
    hub& home = hub::current();
    std::jthread other([&] {
        waiting.wait();
        home.post([&] { sent.send(); });
    });
    hub::current().call_soon([&] { waiting.count_down(); });
    sent.wait();
}

TEST_CASE_FIXTURE(clean_end_of_threads,
                  "but soon after the last of them has ended, at any moment" *
                      doctest::skip(test::under_tsan)) {
    event<> never_sent;
    for (int i = 0; i < 300; ++i) {
        std::thread([] {}).join();  // the system may list it a little longer
        CHECK_THROWS_AS(never_sent.wait(), deadlock);
    }
    hub& home = hub::current();
    std::latch waiting(1);
    std::jthread other([&] {
        waiting.wait();
        home.post([] {});
    });
    hub::current().call_soon([&] { waiting.count_down(); });
    CHECK_THROWS_AS(never_sent.wait(), deadlock);
}

TEST_CASE_FIXTURE(clean_end, "nor while a timer is armed, or forever is meant") {
    virtual_time time;
    queue<int> empty;
    CHECK_FALSE(empty.get_for(1h));
    hub::current().call_later(1h, [] { hub::current().stop(); });
    hub::current().run_forever();
    CHECK(time.passed() == 2h);
}

TEST_SUITE_END();
