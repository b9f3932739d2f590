// several_errors_test.cpp - calls that wait for several, used wrongly or given what
// cannot be ended.
//
// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/cancel.hpp>
#include <tendril/runtime/error.hpp>
#include <tendril/runtime/hub.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>
#include <tendril/sync/future.hpp>
#include <tendril/sync/gather.hpp>
#include <tendril/sync/race.hpp>
#include <tendril/sync/thread_pool.hpp>
#include <tendril/sync/wait_for.hpp>
#include <tendril/test/virtual_time.hpp>

#include <atomic>
#include <chrono>
#include <optional>
#include <semaphore>
#include <stdexcept>
#include <thread>
#include <vector>

#include "../support/clean_end.hpp"
#include "../support/errc_of.hpp"
#include "../support/other_thread.hpp"
#include <doctest/doctest.h>

using namespace std::chrono_literals;
using namespace tendril;
using test::clean_end;
using test::clean_end_of_threads;
using test::errc_of;
using test::virtual_time;

namespace {

// What a fiber is told when it waits for itself; nothing if that has killed it.
template <class F>
std::optional<errc> told_and_alive(F wait_for_it) {
    std::optional<errc> told;
    bool alive = false;
    fiber<> self;
    self = spawn([&] {
        told = errc_of([&] { wait_for_it(self); });
        yield();
        alive = true;
    });
    self.join();
    return alive ? told : std::nullopt;
}

// A call that has begun in a thread of `pool`, and goes on until it is let go.
class begun_call {
  public:
    explicit begun_call(thread_pool& pool) {
        handle = pool.submit([this] {
            begun_.release();
            static_cast<void>(may_end_.try_acquire_for(5s));
            throw std::runtime_error("late");
        });
        begun_.acquire();
    }

    begun_call(const begun_call&) = delete;
    begun_call& operator=(const begun_call&) = delete;

    ~begun_call() { CHECK(handle.done()); }

    // Whether it was going on until now.
    bool let_go() {
        const bool was_on = !handle.done();
        may_end_.release();
        handle.join();
        return was_on;
    }

    future<void> handle;

  private:
    std::binary_semaphore begun_{0};
    std::binary_semaphore may_end_{0};
};

}  // namespace

TEST_SUITE_BEGIN("sync/several");

TEST_CASE_FIXTURE(clean_end, "waiting for oneself is an error and no kill") {
    CHECK(told_and_alive([](auto& self) { gather(self); }) == errc::bad_argument);
    CHECK(told_and_alive([](auto& self) { gather(return_exceptions, self); }) ==
          errc::bad_argument);
    CHECK(told_and_alive([](auto& self) { wait_for(self, 1s); }) == errc::bad_argument);
    CHECK(told_and_alive([](auto& self) { wait_for(self, 0s); }) == errc::bad_argument);
    CHECK(told_and_alive([](auto& self) { race(self); }) == errc::bad_argument);
}

TEST_CASE_FIXTURE(clean_end, "an empty handle beside others ends what was made here") {
    const virtual_time from_here;
    bool ran = false;
    auto bystander = spawn([] {
        sleep(1s);
        return 3;
    });
    yield();
    const auto callable = [&] {
        ran = true;
        return 1;
    };
    const fiber<int> empty;
    CHECK(errc_of([&] { gather(bystander, callable, empty); }) == errc::dead);
    CHECK(errc_of([&] { gather(return_exceptions, empty, callable, bystander); }) ==
          errc::dead);
    CHECK(errc_of([&] { race(bystander, callable, empty); }) == errc::dead);
    CHECK(errc_of([&] { wait_for(empty, 1s); }) == errc::dead);
    sleep(500ms);
    CHECK_FALSE(ran);
    CHECK_FALSE(bystander.done());
    CHECK(bystander.wait() == 3);
}

TEST_CASE_FIXTURE(clean_end, "a hub callback that would wait for some ends none") {
    const virtual_time from_here;
    auto one = spawn([] {
        sleep(1s);
        return 3;
    });
    yield();
    std::vector<errc> told;
    bool ran = false;
    hub::current().call_soon([&] {
        told = {errc_of([&] { gather(one); }).value(),
                errc_of([&] { gather([&] { ran = true; }); }).value(),
                errc_of([&] { wait_for(one, 1s); }).value(),
                errc_of([&] { race(one, one); }).value()};
    });
    CHECK(one.wait() == 3);
    CHECK(told == std::vector(4, errc::in_hub));
    CHECK_FALSE(ran);
}

TEST_CASE_FIXTURE(clean_end_of_threads,
                  "a limit holds for a call of a thread pool that has begun") {
    thread_pool pool({.threads = 1});
    begun_call call(pool);
    CHECK_THROWS_AS(wait_for(call.handle, 1ms), deadline_exceeded);
    CHECK_THROWS_AS(wait_for(call.handle, 0s), deadline_exceeded);
    // One that has not begun is ended, and waited for.
    auto queued = pool.submit([] {});
    CHECK_THROWS_AS(wait_for(queued, 1ms), deadline_exceeded);
    CHECK(queued.done());
    CHECK(call.let_go());
}

TEST_CASE_FIXTURE(clean_end_of_threads,
                  "a kill is not held up by a call of a thread pool that has begun") {
    thread_pool pool({.threads = 1});
    begun_call call(pool);
    auto sibling = spawn([] { sleep(forever); });
    auto gathering = spawn([&] { gather(call.handle, sibling); });
    auto waiting = spawn([&] { wait_for(call.handle, 1h); });
    yield();
    gathering.kill();
    waiting.kill();
    gathering.join();
    waiting.join();
    CHECK(sibling.done());
    CHECK(call.let_go());
}

TEST_CASE_FIXTURE(clean_end_of_threads,
                  "an end on another thread may come as a wait for several fails") {
    std::atomic<detail::promise<int>*> to_keep{nullptr};
    std::atomic<bool> over{false};
    std::thread other([&] {
        while (!over) {
            if (auto* const p = to_keep.exchange(nullptr)) {
                p->keep(1);
                delete p;
            }
        }
    });
    for (int i = 0; i < 2000; ++i) {
        auto* const p = new detail::promise<int>;
        const auto f = p->get_future();
        std::vector<detail::awaited> them(6, detail::awaited(f));
        them.emplace_back(any_fiber(current()));
        to_keep = p;
        CHECK(errc_of([&] { detail::endings e(them); }) == errc::bad_argument);
        f.join();
    }
    over = true;
    other.join();
}
