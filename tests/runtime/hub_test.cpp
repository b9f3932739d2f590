// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/greenlet.hpp>
#include <tendril/runtime/hub.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>
#include <tendril/runtime/timeout.hpp>
#include <tendril/test/virtual_time.hpp>

#include <algorithm>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "../support/other_thread.hpp"
#include <doctest/doctest.h>

using namespace std::chrono_literals;
using namespace tendril;
using test::clean_end;
using test::clean_end_of_threads;
using test::virtual_time;

TEST_SUITE_BEGIN("runtime/hub");

namespace {

// Parks until this hub has made a whole turn: callbacks, posts, timers.
void turn() {
    hub& h = hub::current();
    h.call_later(0s, [&] { h.stop(); });
    h.run_forever();
}

// Notes until when it was to sleep, and does not.
class sleepless_driver final : public detail::driver {
  public:
    explicit sleepless_driver(std::vector<time_point>& asked) : asked_(asked) {}

    void poll() override {}

    void wait(time_point deadline) override { asked_.push_back(deadline); }

    void listen_to(int /*epoll*/) override {}

    bool waiting() const noexcept override { return false; }

    bool worth_polling() const noexcept override { return false; }

  private:
    std::vector<time_point>& asked_;
};

}  // namespace

// -- run_forever and stop

TEST_CASE_FIXTURE(clean_end, "run_forever runs everything else, until stop()") {
    virtual_time time;
    hub& h = hub::current();
    std::string order;
    h.call_later(1s, [&] { order += 't'; });
    h.call_later(2s, [&] { h.stop(); });
    h.call_later(3s, [&] { order += 'n'; });
    spawn([&] { order += 'f'; });
    h.run_forever();
    CHECK(order == "ft");
    CHECK(time.passed() == 2s);
    tendril::sleep(1s);
}

TEST_CASE_FIXTURE(clean_end,
                  "a stop() before run_forever ends that one, and only that") {
    virtual_time time;
    hub& h = hub::current();
    bool others_ran = false;
    spawn([&] { others_ran = true; });
    h.stop();
    h.stop();
    h.run_forever();
    CHECK(others_ran);
    h.call_later(5s, [&] { h.stop(); });
    h.run_forever();
    CHECK(time.passed() == 5s);
}

TEST_CASE_FIXTURE(clean_end, "a second run_forever is an error that names the first") {
    hub& h = hub::current();
    auto first = spawn({.name = "first"}, [&] { h.run_forever(); });
    yield();
    try {
        h.run_forever();
        FAIL_CHECK("two fibers are in run_forever");
    } catch (const fiber_error& e) {
        CHECK(e.code() == errc::already_set);
        CHECK(std::string(e.what()).find("'first'") != std::string::npos);
    }
    h.stop();
    first.wait();
}

TEST_CASE_FIXTURE(clean_end,
                  "a kill or a timeout ends run_forever, which can begin again") {
    virtual_time time;
    hub& h = hub::current();
    auto f = spawn([&] { h.run_forever(); });
    yield();
    f.kill();
    CHECK_THROWS_AS(f.wait(), greenlet_exit);
    CHECK_FALSE(timeout::silent(1s, [&] { h.run_forever(); }));
    h.call_soon([&] { h.stop(); });
    h.run_forever();
}

TEST_CASE_FIXTURE(clean_end_of_threads, "stop() may come from another thread") {
    hub& h = hub::current();
    std::thread stopper([&] { h.stop(); });
    h.run_forever();
    stopper.join();
}

// -- switch_out

TEST_CASE_FIXTURE(clean_end, "switch_out: schedule my own switch_to, then leave") {
    virtual_time time;
    auto me = greenlet<>::current();
    std::string order;
    spawn([&] { order += "other,"; });
    hub::current().call_later(1s, [me]() mutable { me.switch_to(); });
    hub::current().switch_out();
    order += "back";
    CHECK(order == "other,back");
    CHECK(time.passed() == 1s);
}

TEST_CASE_FIXTURE(clean_end, "switch_out: an exception comes in") {
    virtual_time time;
    auto f = spawn([] {
        auto me = greenlet<>::current();
        hub::current().call_soon(
            [me]() mutable { me.throw_in(std::runtime_error("from a callback")); });
        hub::current().switch_out();
    });
    CHECK_THROWS_WITH_AS(f.wait(), "from a callback", std::runtime_error);
    tendril::sleep(1s);  // the callback goes on
}

TEST_CASE_FIXTURE(clean_end, "switch_out: a kill and a timeout get through") {
    virtual_time time;
    auto f = spawn([] { hub::current().switch_out(); });
    yield();
    f.kill();
    CHECK_THROWS_AS(f.wait(), greenlet_exit);
    CHECK_FALSE(timeout::silent(1s, [] { hub::current().switch_out(); }));
}

TEST_CASE_FIXTURE(clean_end,
                  "a callback goes on after the fiber it switched to has left") {
    virtual_time time;
    std::string order;
    auto f = spawn([&] {
        auto me = greenlet<>::current();
        hub::current().call_soon([&order, me]() mutable {
            order += "1,";
            me.switch_to();
            order += "3,";
        });
        hub::current().switch_out();
        order += "2,";
        tendril::sleep(1s);
        order += "4";
    });
    f.wait();
    CHECK(order == "1,2,3,4");
}

// -- fairness

TEST_CASE_FIXTURE(clean_end,
                  "fibers that yield all the time hold up no timer and no post") {
    hub& h = hub::current();
    bool stop = false;
    auto spin = [&] {
        while (!stop) yield();
    };
    std::vector<fiber<>> spinners;
    for (int i = 0; i < 5; ++i) spinners.push_back(spawn(spin));
    const unsigned enough = 2 * detail::scheduler::budget_per_turn;
    auto turns_until = [&](auto arrange) {
        bool came = false;
        arrange(came);
        unsigned turns = 0;
        while (!came && turns < enough) {
            yield();
            ++turns;
        }
        CHECK(came);
    };
    turns_until([&](bool& came) { h.call_later(0s, [&] { came = true; }); });
    turns_until([&](bool& came) { h.call_later(1ns, [&] { came = true; }); });
    turns_until([&](bool& came) { h.call_soon([&] { came = true; }); });
    turns_until([&](bool& came) { h.post([&] { came = true; }); });
    stop = true;
    for (const auto& s : spinners) s.wait();
}

TEST_CASE_FIXTURE(clean_end,
                  "callbacks that schedule themselves hold up no fiber and no timer") {
    hub& h = hub::current();
    bool stop = false;
    std::function<void()> soon = [&] {
        if (!stop) h.call_soon(soon);
    };
    std::function<void()> later = [&] {
        if (!stop) h.call_later(0s, later);
    };
    std::function<void()> by_post = [&] {
        if (!stop) h.post(by_post);
    };
    soon();
    later();
    by_post();
    int turns = 0;
    auto f = spawn([&] {
        for (; turns < 100; ++turns) yield();
    });
    f.wait();
    CHECK(turns == 100);
    stop = true;
    turn();
    turn();
}

TEST_CASE_FIXTURE(clean_end_of_threads,
                  "an idle hub sleeps until the next deadline, not past it") {
    // In real time: 2 ms.
    std::vector<time_point> asked;
    time_point deadline, end;
    bool ended = true;
    test::on_other_thread([&] {
        hub& h = hub::current();
        hub_internals::set_driver(h, std::make_unique<sleepless_driver>(asked));
        auto f = spawn_after(forever, [] {});
        auto far = h.call_later(1h, [] {});
        deadline = clock::now() + 2ms;
        ended = f.join(deadline);
        end = clock::now();
        far.cancel();
        f.cancel();
    });
    CHECK_FALSE(ended);
    CHECK(end >= deadline);
    CHECK_FALSE(asked.empty());
    CHECK(std::all_of(asked.begin(), asked.end(),
                      [&](time_point until) { return until == deadline; }));
}

TEST_CASE_FIXTURE(clean_end,
                  "and its own driver sleeps for as long as it is asked to") {
    // In real time: 2 ms, and far less than another unit of time would make of it.
    const time_point begin = clock::now();
    tendril::sleep(2ms);
    CHECK(clock::now() - begin >= 2ms);
    CHECK(clock::now() - begin < 2s);
}

TEST_CASE_FIXTURE(clean_end,
                  "fibers that compute for long between yields do not hold up timers") {
    // In real time, since what counts is how long a turn takes: 35 ms.
    const auto compute = [] {
        const time_point end = clock::now() + 500us;
        while (clock::now() < end) continue;
    };
    for (int i = 0; i < 70; ++i) {
        compute();
        yield();
    }
    bool fired = false;
    hub::current().call_later(0s, [&] { fired = true; });
    int turns = 0;
    for (; !fired && turns < 64; ++turns) {
        compute();
        yield();
    }
    CHECK(turns <= 8);
}

TEST_CASE_FIXTURE(clean_end, "nor do they pay for what timers take") {
    // In real time: 70 ms of timers, each turn more than a millisecond of them.
    bool stop = false;
    std::function<void()> next = [&] {
        const time_point end = clock::now() + 1200us;
        while (clock::now() < end) continue;
        if (!stop) hub::current().call_later(0s, next);
    };
    next();
    int turns = 0, timers = 0;
    std::function<void()> count = [&] {
        if (++timers < 60) hub::current().call_later(0s, count);
    };
    count();
    while (timers < 60) {
        yield();
        ++turns;
    }
    stop = true;
    turn();
    turn();
    // 64 for each turn of the hub, in which both timers fire.
    CHECK(turns >= 50 * 64);
}

// -- post

TEST_CASE_FIXTURE(clean_end_of_threads,
                  "4 threads x 10,000 posts: each thread's in order, none lost") {
    constexpr int threads = 4;
    constexpr int each = 10'000;
    hub& h = hub::current();
    std::vector<int> next(threads, 0);
    int out_of_order = 0;
    int left = threads * each;
    std::vector<std::jthread> posters;
    for (int t = 0; t < threads; ++t) {
        posters.emplace_back([&, t] {
            for (int i = 0; i < each; ++i) {
                h.post([&, t, i] {
                    out_of_order += next[static_cast<std::size_t>(t)]++ != i;
                    if (--left == 0) h.stop();
                });
            }
        });
    }
    h.run_forever();
    CHECK(out_of_order == 0);
    CHECK(next == std::vector<int>(threads, each));
}

TEST_CASE_FIXTURE(clean_end, "a post runs on the hub's stack, in the order posted") {
    std::string order;
    hub& h = hub::current();
    h.post([&] {
        order += '1';
        CHECK_THROWS_AS(yield(), fiber_error);
    });
    h.post([&, p = std::make_unique<char>('2')] { order += *p; });
    turn();
    CHECK(order == "12");
}

TEST_CASE_FIXTURE(clean_end,
                  "a post that throws is reported, a null one is a bad argument") {
    hub& h = hub::current();
    h.post([] { throw std::runtime_error("posted"); });
    turn();
    CHECK(reported == std::vector<std::string>{"a callback given to hub::post: "
                                               "std::runtime_error: posted"});
    reported.clear();
    CHECK_THROWS_WITH_AS(h.post(std::function<void()>{}),
                         "hub::post was given nothing to call", fiber_error);
}

TEST_CASE_FIXTURE(clean_end_of_threads,
                  "a post to the hub of an ended thread is refused") {
    std::optional<hub_handle> other;
    test::on_other_thread([&] { other = hub::current().handle(); });
    auto owned = std::make_shared<int>(1);
    const std::weak_ptr<int> alive = owned;
    try {
        other->post([owned = std::move(owned)] {});
        FAIL_CHECK("its thread has ended");
    } catch (const fiber_error& e) {
        CHECK(e.code() == errc::thread_exited);
        CHECK(std::string(e.what()) == "hub::post to a hub whose thread has ended");
    }
    CHECK(alive.expired());
    CHECK_THROWS_AS(other->stop(), fiber_error);
    const hub_handle copy = *other;
    other = hub::current().handle();
    CHECK_THROWS_AS(copy.post([] {}), fiber_error);
    other->stop();
    turn();
    hub::current().run_forever();
}

TEST_SUITE_END();
