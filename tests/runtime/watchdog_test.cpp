// watchdog_test.cpp - whoever blocks a hub is named, and what it does.
//
// Each planted fiber blocks until it has been told of: what it waits for is done by the
// report, so no test waits longer than it takes to be found out.
//
// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/deadlock.hpp>
#include <tendril/runtime/detail/backtrace.hpp>
#include <tendril/runtime/hub.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>
#include <tendril/runtime/watchdog.hpp>
#include <tendril/sync/event.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <functional>
#include <mutex>
#include <semaphore>
#include <string>
#include <thread>
#include <vector>

#include "../support/clean_end.hpp"
#include "../support/errc_of.hpp"
#include "../support/hub_threads.hpp"
#include "../support/other_thread.hpp"
#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <netdb.h>
#include <netinet/in.h>
#include <resolv.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

using namespace std::chrono_literals;
using namespace tendril;
using test::clean_end;
using test::clean_end_of_threads;
using test::errc_of;

// ThreadSanitizer keeps signals back until the thread makes a call that it knows.
TEST_SUITE_BEGIN("runtime/watchdog" * doctest::skip(test::under_tsan));

namespace {

constexpr auto limit = 20ms;

// What was told, and a flag for who waits for it.
struct reports {
    std::vector<blockage> told;
    std::atomic<bool> any{false};
    std::atomic<int> count{0};
    std::function<void()> release = [] {};

    watchdog_options options() {
        return {.limit = limit,
                .report =
                    [this](const blockage& b) {
                        told.push_back(b);
                        any = true;
                        ++count;
                        release();
                    },
                .pause = 0s};
    }
};

// In a fiber called "culprit", under a watchdog. Returns the one report.
template <class F>
blockage caught(reports& r, F block) {
    {
        const watchdog dog(r.options());
        spawn({.name = "culprit"}, [&] { block(); }).wait();
    }
    REQUIRE(r.told.size() == 1);
    return r.told.front();
}

void require_culprit(const blockage& b, const char* function) {
    CHECK(b.fiber != 0);
    CHECK(b.name.find("'culprit'") != std::string::npos);
    CHECK(b.name.find("watchdog_test.cpp:") != std::string::npos);
    CHECK(b.lasted >= limit);
    CHECK(b.text.find(function) != std::string::npos);
    CHECK(b.text.find(b.name) != std::string::npos);
    CHECK(b.text.find(b.activity) != std::string::npos);
}

}  // namespace

// Exported, so that frames have their names.
namespace planted {

[[gnu::noinline]] void spin(const std::atomic<bool>& until) {
    while (!until) continue;
}

// Touches pages that somebody else takes away.
[[gnu::noinline]] void storm(volatile char* pages,
                             std::size_t size,
                             const std::atomic<bool>& until) {
    while (!until) {
        for (std::size_t i = 0; i < size; i += 4096) pages[i] = 1;
    }
}

}  // namespace planted

TEST_CASE("what was interrupted at a function's first instruction is that function") {
    void* const first = reinterpret_cast<void*>(planted::spin);
    const auto interrupted =
        detail::describe_frame(first, detail::frame_kind::interrupted);
    CHECK(interrupted.find("planted::spin(std::atomic<bool> const&) +0x0 in") == 0);
    const auto called = detail::describe_frame(first);
    CHECK(called.find("planted::spin") == std::string::npos);
}

TEST_CASE_FIXTURE(clean_end, "a loop without a park: computing, and where") {
    reports r;
    const blockage b = caught(r, [&] { planted::spin(r.any); });
    require_culprit(b, "planted::spin");
    CHECK(b.activity.rfind("computing (", 0) == 0);
}

TEST_CASE_FIXTURE(clean_end, "a system call that sleeps, by its name") {
    reports r;
    timespec left{};
    const blockage b = caught(r, [&] {
        const timespec long_time{.tv_sec = 30, .tv_nsec = 0};
        // Cut short by the question where it is, as the header says.
        nanosleep(&long_time, &left);
    });
    require_culprit(b, "nanosleep");
    CHECK(b.activity == "clock_nanosleep");
    CHECK(left.tv_sec > 20);
}

TEST_CASE_FIXTURE(clean_end, "a read on a pipe, with the pipe") {
    std::array<int, 2> pipe_ends{};
    REQUIRE(pipe(pipe_ends.data()) == 0);
    reports r;
    r.release = [&] { REQUIRE(write(pipe_ends[1], "x", 1) == 1); };
    const blockage b = caught(r, [&] {
        char c = 0;
        REQUIRE(TEMP_FAILURE_RETRY(read(pipe_ends[0], &c, 1)) == 1);
    });
    for (const int fd : pipe_ends) close(fd);
    require_culprit(b, "read");
    CHECK(b.activity.rfind("read(" + std::to_string(pipe_ends[0]) + ", pipe:[", 0) ==
          0);
}

TEST_CASE_FIXTURE(clean_end, "a native mutex") {
    reports r;
    std::mutex native;
    std::binary_semaphore locked(0), told(0);
    std::thread holder([&] {
        const std::lock_guard held(native);
        locked.release();
        told.acquire();
    });
    locked.acquire();
    r.release = [&] { told.release(); };
    const blockage b = caught(r, [&] { const std::lock_guard held(native); });
    holder.join();
    require_culprit(b, "pthread_mutex_lock");
    CHECK(b.activity == "futex");
}

TEST_CASE_FIXTURE(clean_end, "a storm of page faults, with their number") {
    reports r;
    constexpr std::size_t size = 1 << 20;
    void* const pages =
        mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    REQUIRE(pages != MAP_FAILED);
    // On another thread, so that the culprit makes no system call.
    std::jthread taker([&] {
        while (!r.any) madvise(pages, size, MADV_DONTNEED);
    });
    const blockage b =
        caught(r, [&] { planted::storm(static_cast<char*>(pages), size, r.any); });
    taker.join();
    munmap(pages, size);
    require_culprit(b, "planted::storm");
    REQUIRE(b.activity.rfind("computing (", 0) == 0);
    CHECK(std::stoul(b.activity.substr(b.activity.find("time, ") + 6)) > 100);
}

TEST_CASE_FIXTURE(clean_end, "a name that is looked up, by a server that is silent") {
    // A name server that answers "no such name" once it is told to.
    const int server = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    sockaddr_in here{};
    here.sin_family = AF_INET;
    here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof here;
    REQUIRE(bind(server, reinterpret_cast<sockaddr*>(&here), size) == 0);
    REQUIRE(getsockname(server, reinterpret_cast<sockaddr*>(&here), &size) == 0);
    reports r;
    r.release = [&] {
        std::array<unsigned char, 512> packet{};
        sockaddr_in from{};
        socklen_t from_size = sizeof from;
        const ssize_t n = recvfrom(server, packet.data(), packet.size(), 0,
                                   reinterpret_cast<sockaddr*>(&from), &from_size);
        REQUIRE(n >= 12);
        packet[2] |= 0x80;  // a response
        packet[3] = 3;      // NXDOMAIN
        sendto(server, packet.data(), static_cast<std::size_t>(n), 0,
               reinterpret_cast<sockaddr*>(&from), from_size);
    };
    const blockage b = caught(r, [&] {
        struct __res_state resolver {};
        REQUIRE(res_ninit(&resolver) == 0);
        resolver.nscount = 1;
        resolver.nsaddr_list[0] = here;
        std::array<unsigned char, 512> reply{};
        CHECK(res_nquery(&resolver, "no.such.name.test", 1, 1, reply.data(),
                         reply.size()) < 0);
        res_nclose(&resolver);
    });
    close(server);
    require_culprit(b, "res_nquery");
    CHECK(b.activity == "poll");
}

TEST_CASE_FIXTURE(clean_end, "a callback is no fiber, and blocks as well") {
    reports r;
    {
        const watchdog dog(r.options());
        auto other = spawn([] { yield(); });
        hub::current().call_soon([&] { planted::spin(r.any); });
        other.wait();
    }
    REQUIRE(r.told.size() == 1);
    CHECK(r.told.front().name.find("hub loop") == 0);
}

TEST_CASE_FIXTURE(clean_end,
                  "each blockage is told once, and again when it is another") {
    reports r;
    const watchdog dog(r.options());
    for (std::size_t n = 1; n <= 2; ++n) {
        spawn([&] {
            planted::spin(r.any);
            // Long enough to be told of twice.
            const time_point begin = clock::now();
            while (clock::now() - begin < 3 * limit) continue;
        }).wait();
        CHECK(r.told.size() == n);
        r.any = false;
    }
}

TEST_CASE_FIXTURE(clean_end,
                  "reports keep a distance, and say how many they left out") {
    reports r;
    watchdog_options o = r.options();
    o.pause = 50 * limit;
    const watchdog dog(std::move(o));
    // By the processor time that it gets, as the watchdog counts it.
    const auto used = [] {
        timespec t{};
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
        return std::chrono::seconds(t.tv_sec) + std::chrono::nanoseconds(t.tv_nsec);
    };
    const auto block = [&] {
        const duration begin = used();
        while (used() - begin < 3 * limit) continue;
    };
    std::size_t blocked = 0;
    for (; r.count < 2; ++blocked) spawn(block).wait();
    CHECK(r.told.front().untold == 0);
    CHECK(r.told.back().untold > 0);
    CHECK(r.told.back().untold + 2 <= blocked);
}

TEST_CASE_FIXTURE(clean_end_of_threads,
                  "hubs that sleep, and threads without fibers, are left alone") {
    reports r;
    std::thread sleeper([] { spawn([] { tendril::sleep(5 * limit); }).wait(); });
    {
        const watchdog dog(r.options());
        // Main has no fiber to be unfair to.
        const time_point begin = clock::now();
        while (clock::now() - begin < 3 * limit) continue;
        sleeper.join();
    }
    CHECK(r.told.empty());
}

TEST_CASE_FIXTURE(clean_end, "a report that throws is told to the exception hook") {
    std::atomic<bool> told{false};
    {
        const watchdog dog({.limit = limit, .report = [&](const blockage&) {
                                told = true;
                                throw std::runtime_error("no paper");
                            }});
        spawn([&] { planted::spin(told); }).wait();
    }
    REQUIRE(reported.size() == 1);
    CHECK(reported.front() == "the watchdog: std::runtime_error: no paper");
    reported.clear();
}

TEST_CASE_FIXTURE(clean_end, "there is one at a time, and it says what it cannot do") {
    CHECK(errc_of([] { const watchdog dog({.limit = 0s}); }) == errc::bad_argument);
    CHECK(errc_of([] { const watchdog dog({.signal = SIGSEGV}); }) ==
          errc::bad_argument);
    CHECK_THROWS_AS(watchdog({.signal = SIGKILL}), std::system_error);
    const watchdog dog;
    CHECK(errc_of([] { const watchdog second; }) == errc::already_set);
}

TEST_CASE_FIXTURE(clean_end, "its thread does not hide a deadlock") {
    const watchdog dog;
    auto stuck = spawn([] { tendril::sleep(forever); });
    CHECK_THROWS_AS(stuck.join(), deadlock);
    stuck.kill();
}

TEST_CASE_FIXTURE(
    clean_end_of_threads,
    "one that comes or goes is not taken for the last thread, which ends a wait") {
    for (int i = 0; i < 200; ++i) {
        event<> sent;
        hub& home = hub::current();
        std::jthread other([&] {
            { const watchdog dog; }
            home.post([&] { sent.send(); });
        });
        sent.wait();
    }
}

TEST_SUITE_END();
