// SPDX-License-Identifier: BSL-1.0
#include <tendril/net/process_pool.hpp>
#include <tendril/runtime/error.hpp>
#include <tendril/runtime/fiber.hpp>
#include <tendril/runtime/hub.hpp>
#include <tendril/runtime/run.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>
#include <tendril/runtime/timeout.hpp>
#include <tendril/sync/event.hpp>
#include <tendril/test/virtual_time.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <latch>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "../support/errc_of.hpp"
#include "../support/hub_threads.hpp"
#include "../support/other_thread.hpp"
#include "../support/pool_processes.hpp"
#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

using namespace std::chrono_literals;
using namespace tendril;
using test::clean_pool_end;
using test::errc_of;
using test::has_children;
using test::is_gone;
using test::state_of;
using test::virtual_time;

// ThreadSanitizer has a thread of its own, so that nothing can be forked.
TEST_SUITE_BEGIN("net/process_pool" * doctest::skip(test::under_tsan));

namespace {

class clean_pool_end_of_threads : test::made_pool_descriptors,
                                  public test::clean_end_of_threads {};

using bytes = process_pool::bytes;

struct point {
    int x;
    double y;
};

point mirrored(point p) {
    return {-p.x, -p.y};
}

std::string joined(const std::string& a, std::string b, int times) {
    std::string all;
    for (int i = 0; i < times; ++i) all += a + b;
    return all;
}

bytes reversed(const bytes& b) {
    return {b.rbegin(), b.rend()};
}

void nothing() {}

int stuck() {
    for (;;) pause();
}

int killed_by(int signal) {
    raise(signal);
    return 0;
}

int thrown_of(int what) {
    if (what == 0) throw std::out_of_range("too far");
    if (what == 1) throw greenlet_exit{};
    return what;
}

std::string text_of(std::span<const std::byte> b) {
    std::string text(b.size(), ' ');
    std::transform(b.begin(), b.end(), text.begin(),
                   [](std::byte c) { return static_cast<char>(c); });
    return text;
}

}  // namespace

TEST_CASE_FIXTURE(clean_pool_end, "calls are made in other processes") {
    {
        process_pool pool({.processes = 2});
        CHECK(pool.submit(&getpid).wait() != getpid());
        CHECK(pool.submit(&getppid).wait() != getpid());
        const point p = pool.submit(&mirrored, point{1, 2.5}).wait();
        CHECK(p.x == -1);
        CHECK(p.y == -2.5);
        CHECK(pool.submit(&joined, "ab", std::string("c"), 3).wait() == "abcabcabc");
        pool.submit(&nothing).wait();
        const bytes all{std::byte{1}, std::byte{2}, std::byte{3}};
        CHECK(pool.submit(&reversed, all).wait() ==
              bytes{std::byte{3}, std::byte{2}, std::byte{1}});
        CHECK(pool.submit(
                      +[](int n) { return n + 1; }, 41)
                  .wait() == 42);
        CHECK(pool.submit(&reversed, bytes{}).wait().empty());
    }
    CHECK_FALSE(has_children());
}

TEST_CASE_FIXTURE(clean_pool_end, "messages of megabytes cross whole") {
    process_pool pool({.processes = 1});
    const std::string big(3'000'001, 'x');
    CHECK(pool.submit(&joined, big, std::string("y"), 2).wait() ==
          big + "y" + big + "y");
}

TEST_CASE_FIXTURE(clean_pool_end,
                  "each of ten fibers gets its own hundred results back") {
    process_pool pool({.processes = 3});
    int right = 0;
    std::vector<fiber<>> fibers;
    for (int i = 0; i < 10; ++i) {
        fibers.push_back(spawn([&, i] {
            for (int call = 0; call < 100; ++call) {
                const point token{i, double(call)};
                const point got = pool.submit(&mirrored, token).wait();
                right += got.x == -i && got.y == -double(call) ? 1 : 0;
            }
        }));
    }
    for (const auto& f : fibers) f.wait();
    CHECK(right == 1000);
}

TEST_CASE_FIXTURE(clean_pool_end_of_threads, "fibers of other threads submit, too") {
    process_pool pool({.processes = 2});
    std::atomic<int> sum{0};
    test::on_other_thread([&] {
        for (int i = 0; i < 50; ++i) sum += pool.submit(&thrown_of, 2).wait();
    });
    CHECK(sum == 100);
}

TEST_CASE_FIXTURE(clean_pool_end,
                  "tasks are called by the names they had before the pool") {
    process_pool::task("shout", [](std::span<const std::byte> in) {
        const std::string text = text_of(in) + "!";
        const auto raw = std::as_bytes(std::span(text));
        return bytes(raw.begin(), raw.end());
    });
    process_pool pool({.processes = 1});
    CHECK(text_of(pool.call("shout", "hello").wait()) == "hello!");
    // New each time that this is run.
    static int times = 0;
    const std::string later = "later " + std::to_string(++times);
    CHECK(errc_of([&] { pool.call(later, "hello"); }) == errc::bad_argument);
    process_pool::task(later, [](auto) { return bytes(); });
    bool told = false;
    try {
        pool.call(later, "hello").wait();
    } catch (const remote_error& e) {
        told = e.type() == "tendril::fiber_error";
    }
    CHECK(told);
    CHECK(errc_of([] { process_pool::task("none", nullptr); }) == errc::bad_argument);
}

TEST_CASE_FIXTURE(clean_pool_end,
                  "what a call throws comes back by its name and text") {
    process_pool pool({.processes = 1});
    std::string type, text;
    try {
        pool.submit(&thrown_of, 0).wait();
    } catch (const remote_error& e) {
        type = e.type();
        text = e.what();
    }
    CHECK(type == "std::out_of_range");
    CHECK(text == "too far");
    try {
        pool.submit(&thrown_of, 1).wait();
    } catch (const remote_error& e) {
        type = e.type();
        text = e.what();
    }
    CHECK(type == "tendril::greenlet_exit");
    CHECK(text == "");
    CHECK(pool.submit(&thrown_of, 2).wait() == 2);
}

TEST_CASE_FIXTURE(clean_pool_end, "a worker that dies fails its call and no other") {
    process_pool pool({.processes = 1});
    const auto before = pool.submit(&getpid);
    const auto fatal = pool.submit(&killed_by, SIGKILL);
    const auto after = pool.submit(&getpid);
    int signal = 0;
    std::string text;
    try {
        fatal.wait();
    } catch (const worker_died& e) {
        signal = e.signal();
        text = e.what();
    }
    CHECK(signal == SIGKILL);
    CHECK(text == "a worker process was ended by signal 9, SIGKILL");
    CHECK(after.wait() != before.wait());
    CHECK(is_gone(before.wait()));
    try {
        pool.submit(
                +[](int code) { _exit(code); }, 3)
            .wait();
    } catch (const worker_died& e) {
        signal = e.signal();
        text = e.what();
    }
    CHECK(signal == 0);
    CHECK(text == "a worker process has exited with code 3");
    CHECK(is_gone(after.wait()));
}

TEST_CASE_FIXTURE(clean_pool_end,
                  "a worker that dies idle is replaced and fails no call") {
    process_pool pool({.processes = 1});
    const pid_t first = pool.submit(&getpid).wait();
    kill(first, SIGKILL);
    while (state_of(first) != 'Z') yield();
    CHECK(pool.submit(&getpid).wait() != first);
    CHECK(is_gone(first));
}

TEST_CASE_FIXTURE(clean_pool_end, "a call that has not begun can be called off") {
    process_pool pool({.processes = 1});
    const auto first = pool.submit(&getpid);
    const auto second = pool.submit(&getpid);
    CHECK(second.cancel());
    CHECK_THROWS_AS(second.wait(), greenlet_exit);
    CHECK(first.wait() > 0);
    CHECK_FALSE(first.cancel());
    const auto begun = pool.submit(&stuck);
    yield();
    CHECK_FALSE(begun.cancel());
    CHECK_FALSE(pool.close_for(1ms));
}

TEST_CASE_FIXTURE(clean_pool_end, "who waits may leave and the pool goes on") {
    process_pool pool({.processes = 2});
    const auto never_over = pool.submit(&stuck);
    CHECK_FALSE(timeout::silent(1ms, [&] { never_over.wait(); }));
    auto killed = spawn([&] { never_over.wait(); });
    yield();
    killed.kill();
    CHECK(killed.done());
    CHECK(pool.submit(&thrown_of, 7).wait() == 7);
    CHECK_FALSE(pool.close_for(1ms));
    CHECK(errc_of([&] { never_over.wait(); }) == errc::abandoned);
}

TEST_CASE_FIXTURE(clean_pool_end, "close waits for all work and then refuses more") {
    process_pool pool({.processes = 1});
    const pid_t worker = pool.submit(&getpid).wait();
    const auto first = pool.submit(&thrown_of, 5);
    const auto second = pool.submit(&thrown_of, 6);
    CHECK(pool.close());
    CHECK(first.done());
    CHECK(first.wait() + second.wait() == 11);
    CHECK(is_gone(worker));
    CHECK(errc_of([&] { pool.submit(&nothing); }) == errc::closed);
    CHECK(pool.close());
}

TEST_CASE_FIXTURE(clean_pool_end,
                  "what hangs is killed when the time to close is over") {
    const virtual_time time;
    pid_t worker = 0;
    future<int> hanging, queued;
    {
        process_pool pool({.processes = 1, .grace = 1ms});
        worker = pool.submit(&getpid).wait();
        hanging = pool.submit(&stuck);
        queued = pool.submit(&thrown_of, 4);
    }
    CHECK(is_gone(worker));
    CHECK_FALSE(has_children());
    CHECK(errc_of([&] { hanging.wait(); }) == errc::abandoned);
    CHECK(errc_of([&] { queued.wait(); }) == errc::abandoned);
}

TEST_CASE_FIXTURE(clean_pool_end_of_threads,
                  "a pool is refused where there are threads") {
    std::latch over(1);
    std::thread other([&] { over.wait(); });
    std::string told;
    try {
        const process_pool pool({.processes = 1});
    } catch (const fiber_error& e) {
        if (e.code() == errc::has_threads) told = e.what();
    }
    over.count_down();
    other.join();
    CHECK(told.starts_with("a process pool was made in a process of 2 threads"));
}

TEST_CASE_FIXTURE(clean_pool_end, "workers are replaced when there are threads") {
    process_pool pool({.processes = 1});
    std::latch over(1);
    std::thread other([&] { over.wait(); });
    CHECK_THROWS_AS(pool.submit(&killed_by, SIGKILL).wait(), worker_died);
    const int after = pool.submit(&thrown_of, 9).wait();
    over.count_down();
    other.join();
    CHECK(after == 9);
}

TEST_CASE_FIXTURE(clean_pool_end, "impossible pools and calls are refused") {
    CHECK(errc_of([] { process_pool({.processes = 0}); }) == errc::bad_argument);
    CHECK(errc_of([] { process_pool({.processes = -1}); }) == errc::bad_argument);
    CHECK(errc_of([] { process_pool({.processes = 1, .grace = -1s}); }) ==
          errc::bad_argument);
    process_pool pool({.processes = 1});
    int (*none)() = nullptr;
    CHECK(errc_of([&] { pool.submit(none); }) == errc::bad_argument);
    event<std::optional<errc>> told;
    hub::current().call_soon(
        [&] { told.send(errc_of([] { process_pool({.processes = 1}); })); });
    CHECK(told.wait() == errc::in_hub);
}

TEST_CASE_FIXTURE(clean_pool_end,
                  "Ctrl-C is for the parent and other signals as in a program") {
    process_pool pool({.processes = 1});
    CHECK(pool.submit(&killed_by, SIGINT).wait() == 0);
    int signal = 0;
    try {
        pool.submit(&killed_by, SIGTERM).wait();
    } catch (const worker_died& e) {
        signal = e.signal();
    }
    CHECK(signal == SIGTERM);
}

TEST_CASE_FIXTURE(clean_pool_end, "workers keep no descriptor that is close-on-exec") {
    std::array<int, 2> pipe_ends{};
    REQUIRE(pipe2(pipe_ends.data(), O_CLOEXEC) == 0);
    char end = 0;
    ssize_t got = -1;
    {
        process_pool pool({.processes = 1});
        pool.submit(&nothing).wait();
        close(pipe_ends[1]);
        // Nobody else has it: the end of the pipe can be read.
        got = read(pipe_ends[0], &end, 1);
    }
    close(pipe_ends[0]);
    CHECK(got == 0);
}

TEST_CASE_FIXTURE(clean_pool_end,
                  "workers end by themselves without the parent's handlers") {
    std::array<int, 2> pipe_ends{};
    REQUIRE(pipe(pipe_ends.data()) == 0);
    static int write_end = -1;
    write_end = pipe_ends[1];

    static const struct at_process_end {
        ~at_process_end() {
            if (write_end >= 0) static_cast<void>(write(write_end, "x", 1) + 1);
        }
    } handler;

    {
        process_pool pool({.processes = 2});
        pool.submit(&nothing).wait();
    }
    close(pipe_ends[1]);
    write_end = -1;
    char byte = 0;
    CHECK(read(pipe_ends[0], &byte, 1) == 0);
    close(pipe_ends[0]);
}

TEST_CASE_FIXTURE(clean_pool_end, "a hub callback may destroy a pool") {
    auto pool = std::make_unique<process_pool>(process_pool_options{.processes = 1});
    const auto f = pool->submit(&thrown_of, 3);
    event<> gone;
    hub::current().call_soon([&] {
        pool = nullptr;
        gone.send();
    });
    gone.wait();
    CHECK(f.wait() == 3);
    while (has_children()) yield();
}

TEST_CASE_FIXTURE(clean_pool_end, "a pool whose fibers have been killed does no more") {
    std::unique_ptr<process_pool> pool;
    future<int> unfinished;
    run([&] {
        pool = std::make_unique<process_pool>(process_pool_options{.processes = 2});
        pool->submit(&nothing).wait();
        unfinished = pool->submit(&stuck);
        yield();
    });
    CHECK(errc_of([&] { unfinished.wait(); }) == errc::abandoned);
    CHECK(errc_of([&] { pool->submit(&nothing); }) == errc::closed);
    pool = nullptr;
    CHECK_FALSE(has_children());
}

TEST_CASE_FIXTURE(clean_pool_end,
                  "virtual time does not jump while a call is under way") {
    const virtual_time time;
    process_pool pool({.processes = 1});
    auto sleeper = spawn([] { tendril::sleep(1h); });
    CHECK(pool.submit(&thrown_of, 3).wait() == 3);
    CHECK_FALSE(sleeper.done());
    CHECK(time.passed() < 1h);
    sleeper.wait();
}

TEST_SUITE_END();
