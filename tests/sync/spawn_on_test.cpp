// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/cancel.hpp>
#include <tendril/runtime/context_var.hpp>
#include <tendril/runtime/error.hpp>
#include <tendril/runtime/hub.hpp>
#include <tendril/runtime/run.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>
#include <tendril/sync/event.hpp>
#include <tendril/sync/flag.hpp>
#include <tendril/sync/future.hpp>
#include <tendril/sync/spawn_on.hpp>
#include <tendril/test/virtual_time.hpp>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>

#include "../support/at_end.hpp"
#include "../support/clean_end.hpp"
#include "../support/errc_of.hpp"
#include "../support/hasty_time.hpp"
#include "../support/hub_threads.hpp"
#include "../support/other_thread.hpp"
#include <doctest/doctest.h>

using namespace std::chrono_literals;
using namespace tendril;
using test::at_end;
using test::clean_end;
using test::clean_end_of_threads;
using test::errc_of;
using test::virtual_time;

namespace {

hub_handle here() {
    return hub::current().handle();
}

// A thread whose hub runs until it is told to stop.
class hub_in_thread {
  public:
    hub_in_thread() { hub_.wait(); }

    hub_in_thread(const hub_in_thread&) = delete;
    hub_in_thread& operator=(const hub_in_thread&) = delete;

    ~hub_in_thread() { end(); }

    hub_handle hub() { return *hub_.poll(); }

    void end() {
        if (!thread_.joinable()) return;
        hub().stop();
        thread_.join();
    }

  private:
    event<hub_handle> hub_;
    std::thread thread_{[this] {
        hub_.send(tendril::hub::current().handle());
        tendril::hub::current().run_forever();
    }};
};

}  // namespace

TEST_SUITE_BEGIN("sync/spawn_on");

TEST_CASE_FIXTURE(clean_end_of_threads, "the function runs in a fiber of that thread") {
    hub_in_thread other;
    std::thread::id where;
    std::string name;
    const auto f = spawn_on(other.hub(), {.name = "far away"}, [&] {
        yield();
        where = std::this_thread::get_id();
        name = current().name();
        return std::make_unique<int>(7);
    });
    CHECK(*f.wait() == 7);
    CHECK(where != std::this_thread::get_id());
    CHECK(where != std::thread::id());
    CHECK(name == "far away");
}

TEST_CASE_FIXTURE(clean_end_of_threads, "arguments and references get there") {
    hub_in_thread other;
    int target = 1;
    auto add = [](int& to, std::unique_ptr<int> n) -> int& { return to += *n; };
    const auto f =
        spawn_on(other.hub(), add, std::ref(target), std::make_unique<int>(2));
    CHECK(&f.wait() == &target);
    CHECK(target == 3);
    spawn_on(other.hub(), [&] { ++target; }).wait();
    CHECK(target == 4);
}

TEST_CASE_FIXTURE(clean_end_of_threads, "what it throws reaches those who wait") {
    hub_in_thread other;
    const auto f =
        spawn_on(other.hub(), [] { throw std::runtime_error("over there"); });
    CHECK_THROWS_WITH_AS(f.wait(), "over there", std::runtime_error);
    const auto g = spawn_on(other.hub(), {.stack_size = 1}, [] {});
    CHECK(errc_of([&] { g.wait(); }) == errc::bad_argument);
}

TEST_CASE_FIXTURE(clean_end_of_threads, "a thread without fibers can send and wait") {
    std::optional<int> result;
    bool has_hub = true;
    const auto there = here();
    test::on_other_thread([&] {
        const auto f = spawn_on(there, [] { return 5; });
        has_hub = detail::this_scheduler != nullptr;
        result = f.wait();
    });
    CHECK(result == 5);
    CHECK_FALSE(has_hub);
}

TEST_CASE_FIXTURE(clean_end, "those sent to one hub begin in order after the caller") {
    std::string order;
    const auto a = spawn_on(here(), [&] { order += 'a'; });
    const auto b = spawn_on(here(), [&] { order += 'b'; });
    CHECK(order.empty());
    b.wait();
    CHECK(order == "ab");
    a.wait();
}

TEST_CASE_FIXTURE(clean_end,
                  "the context of the caller goes along and its limits do not") {
    static context_var<std::string> request("none");
    const virtual_time from_here;
    std::string before, after;
    future<> f;
    const bool in_time = move_on_after(1s, [&] {
        const auto outer = request.set("mine");
        f = spawn_on(here(), [&] {
            before = request.get();
            tendril::sleep(1h);
            request.set("its own");
        });
        request.reset(outer);
    });
    f.wait();
    CHECK(in_time);
    CHECK(before == "mine");
    CHECK(from_here.passed() == 1h);
    CHECK(request.get() == "none");
}

TEST_CASE_FIXTURE(clean_end, "cancel kills what has begun where it waits") {
    bool unwound = false;
    flag begun;
    const auto f = spawn_on(here(), [&] {
        const at_end note{[&] { unwound = true; }};
        begun.set();
        tendril::sleep(forever);
    });
    begun.wait();
    CHECK(f.cancel());
    CHECK_FALSE(f.done());
    CHECK_THROWS_AS(f.wait(), greenlet_exit);
    CHECK(unwound);
    CHECK_FALSE(f.cancel());
}

TEST_CASE_FIXTURE(clean_end, "who bears a kill goes on and has a result") {
    const virtual_time from_here;
    flag begun;
    const auto f = spawn_on(here(), [&] {
        begun.set();
        try {
            tendril::sleep(forever);
        } catch (const greenlet_exit&) {
            tendril::sleep(1s);
        }
        return 3;
    });
    begun.wait();
    CHECK(f.cancel());
    CHECK(f.wait() == 3);
}

TEST_CASE_FIXTURE(clean_end, "what has not begun never does once it is cancelled") {
    bool begun = false;
    const auto on_its_way = spawn_on(here(), [&] { begun = true; });
    CHECK(on_its_way.cancel());
    CHECK_THROWS_AS(on_its_way.wait(), greenlet_exit);

    // Its turn comes before the cancel gets there.
    future<> ready;
    auto canceller = spawn([&] {
        while (hub::current().live_fibers() < 2) yield();
        CHECK(ready.cancel());
    });
    ready = spawn_on(here(), [&] { begun = true; });
    CHECK_THROWS_AS(ready.wait(), greenlet_exit);
    canceller.wait();
    CHECK_FALSE(begun);
}

TEST_CASE_FIXTURE(clean_end, "what it was given is gone before those who wait go on") {
    auto given = std::make_shared<int>(1);
    const std::weak_ptr<int> watch = given;
    const auto f = spawn_on(here(), [given = std::move(given)] { return *given; });
    CHECK(f.wait() == 1);
    CHECK(watch.expired());
}

TEST_CASE_FIXTURE(clean_end, "nothing to call is an error at once") {
    CHECK(errc_of([] { spawn_on(here(), std::function<void()>()); }) ==
          errc::bad_argument);
}

TEST_CASE_FIXTURE(clean_end_of_threads,
                  "a hub whose thread has ended is an error at once") {
    hub_in_thread other;
    const hub_handle there = other.hub();
    other.end();
    auto given = std::make_shared<int>(1);
    CHECK(errc_of([&] { spawn_on(there, [given] {}); }) == errc::thread_exited);
    CHECK(given.use_count() == 1);
}

TEST_CASE_FIXTURE(clean_end_of_threads, "the end of the thread ends what runs there") {
    hub_in_thread other;
    flag begun;
    const auto f = spawn_on(other.hub(), [&] {
        begun.set();
        tendril::sleep(forever);
    });
    begun.wait();
    other.end();
    CHECK(f.done());
    CHECK_THROWS_AS(f.wait(), greenlet_exit);
    CHECK_FALSE(f.cancel());
}

TEST_CASE_FIXTURE(clean_end_of_threads, "the end of the thread ends what never ran") {
    std::optional<hub_handle> there;
    future<> on_its_way, ready;
    bool ran = false;
    test::on_other_thread([&] {
        there = here();
        ready = spawn_on(*there, [&] { ran = true; });
        while (hub::current().live_fibers() == 0) yield();
        on_its_way = spawn_on(*there, [&] { ran = true; });
    });
    CHECK_FALSE(ran);
    CHECK_THROWS_AS(ready.wait(), greenlet_exit);
    CHECK(errc_of([&] { on_its_way.wait(); }) == errc::abandoned);
    CHECK_FALSE(on_its_way.cancel());
}

// What such a fiber holds is lost with it, as LeakSanitizer would say.
TEST_CASE_FIXTURE(clean_end_of_threads,
                  "a fiber that will not die is given up with its future" *
                      doctest::skip(test::sanitized)) {
    future<> immortal;
    test::on_other_thread([&] {
        static test::hasty time;
        hub_internals::set_time_source(hub::current(), &time);
        flag begun;
        immortal = spawn_on(here(), [&] {
            begun.set();
            for (;;) {
                try {
                    tendril::sleep(forever);
                } catch (const greenlet_exit&) {
                    // Whatever.
                }
            }
        });
        begun.wait();
    });
    CHECK(errc_of([&] { immortal.wait(); }) == errc::thread_exited);
    CHECK(reported.size() == 1);
    reported.clear();
}

TEST_SUITE_END();
