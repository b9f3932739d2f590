// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/context_var.hpp>
#include <tendril/runtime/deadlock.hpp>
#include <tendril/runtime/error.hpp>
#include <tendril/runtime/fiber.hpp>
#include <tendril/runtime/fiber_local.hpp>
#include <tendril/runtime/hub.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>
#include <tendril/runtime/timeout.hpp>
#include <tendril/sync/event.hpp>
#include <tendril/sync/flag.hpp>
#include <tendril/sync/spawn_on.hpp>
#include <tendril/sync/thread_pool.hpp>
#include <tendril/sync/wait_queue.hpp>
#include <tendril/test/virtual_time.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <latch>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "../support/asleep.hpp"
#include "../support/errc_of.hpp"
#include "../support/hub_threads.hpp"
#include "../support/other_thread.hpp"
#include <doctest/doctest.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace std::chrono_literals;
using namespace tendril;
using test::clean_end_of_threads;
using test::errc_of;

TEST_SUITE_BEGIN("sync/thread_pool");

namespace {

// Keeps a thread of a pool busy until it is let go.
class occupation {
  public:
    explicit occupation(thread_pool& pool)
        : work_(pool.submit([this] {
              begun_.count_down();
              go_.wait();
          })) {
        begun_.wait();
    }

    occupation(const occupation&) = delete;
    occupation& operator=(const occupation&) = delete;

    ~occupation() { end(); }

    void end() {
        if (!std::exchange(ended_, true)) go_.count_down();
        work_.join();
    }

    const future<>& work() const { return work_; }

  private:
    std::latch begun_{1};
    std::latch go_{1};
    bool ended_ = false;
    future<> work_;
};

}  // namespace

TEST_CASE_FIXTURE(clean_end_of_threads,
                  "work is done on another thread and its result comes back") {
    thread_pool pool({.threads = 1, .name = "named by its pool"});
    CHECK_FALSE(thread_pool::on_worker());
    std::thread::id where;
    bool on_worker = false;
    std::array<char, 16> name{};
    const auto f = pool.submit([&] {
        where = std::this_thread::get_id();
        on_worker = thread_pool::on_worker();
        pthread_getname_np(pthread_self(), name.data(), name.size());
        return std::string("done");
    });
    CHECK(f.wait() == "done");
    CHECK(where != std::this_thread::get_id());
    CHECK(on_worker);
    CHECK(std::string(name.data()) == "named by its po");

    auto moved = pool.submit([](std::unique_ptr<int> p, int more) { return *p + more; },
                             std::make_unique<int>(40), 2);
    CHECK(std::move(moved).wait() == 42);
    int target = 1;
    pool.submit([&]() -> int& { return target; }).wait() = 2;
    CHECK(target == 2);
}

TEST_CASE_FIXTURE(clean_end_of_threads, "what work throws is thrown to who waits") {
    struct own {
        int n;
    };

    thread_pool pool({.threads = 1});
    int caught = 0;
    try {
        pool.submit([] { throw own{7}; }).wait();
    } catch (const own& o) {
        caught = o.n;
    }
    CHECK(caught == 7);
    const timeout mine(1h);
    bool from_mine = false;
    try {
        pool.submit([&] { throw timed_out(mine); }).wait();
    } catch (const timed_out& t) {
        from_mine = t.from(mine);
    }
    CHECK(from_mine);
}

TEST_CASE_FIXTURE(clean_end_of_threads,
                  "callable and arguments are gone when the waiter goes on") {
    thread_pool pool({.threads = 1});
    const auto held = std::make_shared<int>(1);
    for (int i = 0; i < 100; ++i) {
        const auto f = pool.submit([held](const std::shared_ptr<int>&) {}, held);
        f.wait();
        REQUIRE(held.use_count() == 1);
        const auto failed = pool.submit([held] { throw 1; });
        CHECK_THROWS_AS(failed.wait(), int);
        REQUIRE(held.use_count() == 1);
    }
}

TEST_CASE_FIXTURE(clean_end_of_threads,
                  "a thread is made when there is work and none is free") {
    thread_pool pool({.threads = 2});
    CHECK(pool.threads() == 0);
    pool.submit([] {}).wait();
    CHECK(pool.threads() == 1);
    {
        occupation first(pool);
        occupation second(pool);
        CHECK(pool.threads() == 2);
        const auto third = pool.submit([] {});
        CHECK(pool.threads() == 2);
        CHECK(pool.queued() == 1);
        first.end();
        third.wait();
        CHECK(pool.queued() == 0);
    }
    CHECK(thread_pool_options::default_threads() >= 4);
    CHECK(thread_pool_options::default_threads() <= 32);
}

TEST_CASE_FIXTURE(clean_end_of_threads, "a kill of a thread at rest is nobody's") {
    thread_pool pool({.threads = 1});
    const auto [at_rest, there] =
        pool.submit(
                [] { return std::pair<any_fiber, hub*>(current(), &hub::current()); })
            .wait();
    test::wait_until_asleep(*there);
    at_rest.kill();
    const auto next = pool.submit([] {
        yield();
        return 1;
    });
    CHECK(next.wait() == 1);
}

TEST_CASE_FIXTURE(clean_end_of_threads,
                  "what work does to its fiber is not the next's") {
    static fiber_local<int> number;
    thread_pool pool({.threads = 1});
    pool.submit([] {
        *number = 42;
        hub::current().stop();
        current().kill();
    });
    const auto next = pool.submit([] {
        yield();
        hub& h = hub::current();
        bool in_time = false;
        h.call_soon([&] {
            in_time = true;
            h.stop();
        });
        h.run_forever();
        return in_time ? *number : -1;
    });
    CHECK(next.wait() == 0);
}

TEST_CASE_FIXTURE(clean_end_of_threads, "work begins in the order submitted") {
    thread_pool pool({.threads = 1});
    std::vector<int> order;
    std::vector<future<>> all;
    {
        const occupation busy(pool);
        for (int i = 0; i < 10; ++i) {
            all.push_back(pool.submit([&order, i] { order.push_back(i); }));
        }
    }
    for (const auto& f : all) f.wait();
    CHECK(order == std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9});
}

TEST_CASE_FIXTURE(clean_end_of_threads, "a full queue parks those who submit") {
    for (const std::size_t room : {std::size_t{0}, std::size_t{1}}) {
        thread_pool pool({.threads = 1, .queue = room});
        const auto fits = pool.try_submit([] { return 1; });
        CHECK(fits.wait() == 1);
        occupation busy(pool);
        std::string order;
        if (room == 1) pool.submit([&] { order += 'q'; });
        CHECK_FALSE(pool.try_submit([] {}));
        auto first = spawn([&] { pool.submit([&] { order += '1'; }).wait(); });
        auto second = spawn([&] { pool.submit([&] { order += '2'; }).wait(); });
        yield();
        CHECK(pool.queued() == room);
        CHECK_FALSE(pool.try_submit([] {}));
        busy.end();
        first.wait();
        second.wait();
        CHECK(order == (room == 1 ? "q12" : "12"));
    }
}

TEST_CASE_FIXTURE(clean_end_of_threads,
                  "a fiber killed before there is room has submitted nothing") {
    thread_pool pool({.threads = 1, .queue = 0});
    occupation busy(pool);
    std::string done;
    auto killed = spawn([&] { pool.submit([&] { done += 'k'; }); });
    auto late = spawn([&] {
        return timeout::silent(1ms, [&] { pool.submit([&] { done += 't'; }); });
    });
    auto next = spawn([&] { pool.submit([&] { done += 'n'; }).wait(); });
    yield();
    killed.kill();
    CHECK(killed.done());
    CHECK_FALSE(late.wait());
    busy.end();
    next.wait();
    CHECK(done == "n");
}

TEST_CASE_FIXTURE(clean_end_of_threads,
                  "cancelled work never begins and makes room for the next") {
    thread_pool pool({.threads = 1, .queue = 1});
    occupation busy(pool);
    const auto held = std::make_shared<int>(1);
    bool ran = false;
    const auto cancelled = pool.submit([&ran, held] { ran = true; });
    auto next = spawn([&] { return pool.submit([] { return 2; }).wait(); });
    yield();
    CHECK(pool.queued() == 1);
    CHECK(cancelled.cancel());
    CHECK(held.use_count() == 1);
    CHECK(cancelled.done());
    CHECK_FALSE(cancelled.cancel());
    CHECK_THROWS_AS(cancelled.wait(), greenlet_exit);
    CHECK(pool.queued() == 1);
    CHECK_FALSE(busy.work().cancel());
    busy.end();
    CHECK(next.wait() == 2);
    CHECK_FALSE(ran);
}

TEST_CASE_FIXTURE(clean_end_of_threads, "work runs in a copy of the caller's context") {
    static context_var<int> number(0);
    thread_pool pool({.threads = 1});
    const auto before = number.set(1);
    const auto f = pool.submit([] {
        const int seen = number.get();
        number.set(5);
        return seen;
    });
    CHECK(f.wait() == 1);
    CHECK(number.get() == 1);
    number.reset(before);
    CHECK(pool.submit([] { return number.get(); }).wait() == 0);
}

TEST_CASE_FIXTURE(clean_end_of_threads, "impossible pools and calls are refused") {
    CHECK(errc_of([] { thread_pool({.threads = 0}); }) == errc::bad_argument);
    CHECK(errc_of([] { thread_pool({.threads = -1}); }) == errc::bad_argument);
    thread_pool pool({.threads = 1});
    void (*nothing)() = nullptr;
    CHECK(errc_of([&] { pool.submit(nothing); }) == errc::bad_argument);
    CHECK(errc_of([&] { pool.try_submit(nothing); }) == errc::bad_argument);
    CHECK(pool.threads() == 0);
}

TEST_CASE_FIXTURE(clean_end_of_threads,
                  "a hub callback may submit where it need not park") {
    thread_pool pool({.threads = 1, .queue = 1});
    occupation busy(pool);
    event<std::optional<errc>> told;
    future<int> fits;
    hub::current().call_soon([&] {
        fits = pool.submit([] { return 3; });
        told.send(errc_of([&] { pool.submit([] {}); }));
    });
    CHECK(told.wait() == errc::in_hub);
    busy.end();
    CHECK(fits.wait() == 3);
}

TEST_CASE_FIXTURE(clean_end_of_threads, "fibers of many threads share a pool") {
    thread_pool pool({.threads = 3, .queue = 2});
    std::atomic<int> calls{0};
    std::atomic<int> wrong{0};
    constexpr int threads = 4, rounds = 200;
    test::on_threads(threads, [&](int which) {
        std::vector<fiber<>> fibers;
        for (int f = 0; f < 5; ++f) {
            fibers.push_back(spawn([&, token = 10 * which + f] {
                for (int i = 0; i < rounds / 5; ++i) {
                    const auto got = pool.submit([&, token] {
                        ++calls;
                        return token;
                    });
                    if (got.wait() != token) ++wrong;
                }
            }));
        }
        for (const auto& f : fibers) f.wait();
    });
    CHECK(calls == threads * rounds);
    CHECK(wrong == 0);
}

TEST_CASE_FIXTURE(clean_end_of_threads,
                  "cancel from other threads ends or leaves each piece of work") {
    constexpr int count = 500;
    thread_pool pool({.threads = 2});
    std::atomic<int> ran{0};
    std::vector<future<>> all;
    for (int i = 0; i < count; ++i) all.push_back(pool.submit([&] { ++ran; }));
    std::atomic<int> cancelled{0};
    {
        const auto cancel_all = [&] {
            for (auto f = all.rbegin(); f != all.rend(); ++f) cancelled += f->cancel();
        };
        const std::jthread one(cancel_all);
        const std::jthread other(cancel_all);
    }
    for (const auto& f : all) f.join();
    CHECK(ran + cancelled == count);
}

TEST_CASE_FIXTURE(clean_end_of_threads,
                  "threads without work hide no deadlock" *
                      doctest::skip(test::under_tsan)) {
    thread_pool pool({.threads = 2});
    {
        const occupation first(pool);
        const occupation second(pool);
    }
    bool told = false;
    try {
        event<>().wait();
    } catch (const deadlock&) {
        told = true;
    }
    CHECK(told);
    // And work that is under way is no deadlock.
    event<int> sent;
    pool.submit([&] { sent.send(4); });
    CHECK(sent.wait() == 4);
    // Nor is a fiber that work has left behind there.
    event<int> later;
    pool.submit([&] { spawn_after(5ms, [&] { later.send(5); }); });
    CHECK(later.wait() == 5);
}

TEST_CASE_FIXTURE(clean_end_of_threads,
                  "a thread without work that may be told something is no deadlock" *
                      doctest::skip(test::under_tsan)) {
    // It looks for a deadlock before each sleep.
    const test::virtual_time time;
    std::array<int, 2> ends{};
    REQUIRE(pipe2(ends.data(), O_NONBLOCK | O_CLOEXEC) == 0);
    {
        thread_pool pool({.threads = 1});
        hub& here = hub::current();
        const auto there = pool.submit([] { return hub::current().handle(); }).wait();
        // By a letter,
        CHECK(spawn_on(there, [&here] {
                  test::wait_until_asleep(here);
                  return 7;
              }).wait() == 7);
        // by a descriptor,
        flag told;
        pool.submit([&] {
                hub& h = hub::current();
                h.add_reader(ends[0], [&] {
                    h.remove_reader(ends[0]);
                    told.set();
                });
            })
            .wait();
        const pid_t self = getpid();
        const pid_t writer = fork();
        if (writer == 0) {
            test::wait_until_asleep(self);
            _exit(write(ends[1], "x", 1) == 1 ? 0 : 1);
        }
        CHECK_NOTHROW(told.wait());
        waitpid(writer, nullptr, 0);
        // and by a signal.
        event<> signalled;
        pool.submit([&] {
                hub& h = hub::current();
                h.add_signal_handler(SIGUSR1, [&] {
                    h.remove_signal_handler(SIGUSR1);
                    signalled.send();
                });
            })
            .wait();
        const pid_t sender = fork();
        if (sender == 0) {
            test::wait_until_asleep(self);
            _exit(kill(self, SIGUSR1));
        }
        CHECK_NOTHROW(signalled.wait());
        waitpid(sender, nullptr, 0);
    }
    close(ends[0]);
    close(ends[1]);
}

TEST_SUITE_END();
