// blockers.cpp - how long a fiber has blocked its hub when the watchdog says so, and
// how often it says so of those that block for less than its limit.
//
// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/clock.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>
#include <tendril/runtime/watchdog.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <functional>
#include <string>
#include <vector>

#include <pthread.h>
#include <time.h>

using namespace std::chrono_literals;
using namespace tendril;

namespace {

constexpr auto limit = 100ms;
constexpr int rounds = 10;

std::atomic<bool> told{false};
std::atomic<int> reports{0};
// Whoever computes is measured by its own processor time, as the watchdog does; for
// the machine may have given the processor to somebody else.
std::atomic<clockid_t> meter{CLOCK_MONOTONIC};
std::atomic<duration> begun{};
std::atomic<duration> told_after{};

duration reading(clockid_t which) {
    timespec t{};
    clock_gettime(which, &t);
    return std::chrono::seconds(t.tv_sec) + std::chrono::nanoseconds(t.tv_nsec);
}

void spin(time_point until) {
    while (clock::now() < until && !told) continue;
}

// As code that knows nothing of fibers sleeps; interrupted by the report.
void doze(time_point until) {
    while (clock::now() < until && !told) {
        const timespec a_second{.tv_sec = 1, .tv_nsec = 0};
        clock_nanosleep(CLOCK_MONOTONIC, 0, &a_second, nullptr);
    }
}

double in_ms(duration d) {
    return std::chrono::duration<double, std::milli>(d).count();
}

// Each blocks until it has been told of, for five seconds at most.
bool named_in_time(const char* what,
                   clockid_t by,
                   const std::function<void(time_point)>& block) {
    meter = by;
    std::vector<duration> delays;
    for (int i = 0; i < rounds; ++i) {
        spawn({.name = what}, [&] {
            told = false;
            begun = reading(by);
            block(clock::now() + 5s);
            if (told) delays.push_back(told_after);
        }).wait();
    }
    if (delays.size() != rounds) return false;
    std::sort(delays.begin(), delays.end());
    std::printf("%s: told of after %.0f ms at best, %.0f at worst, in %d rounds\n",
                what, in_ms(delays.front()), in_ms(delays.back()), rounds);
    // The switch to it was a moment before.
    return delays.front() >= limit - 5ms && delays.back() < 2 * limit;
}

// Blocks for a part of the limit, again and again, beside others that are well-behaved.
bool left_alone(duration each, duration in_all) {
    const int before = reports;
    const time_point end = clock::now() + in_all;
    auto neighbour = spawn([&] {
        while (clock::now() < end) tendril::sleep(1ms);
    });
    long blocks = 0;
    for (; clock::now() < end; ++blocks) {
        told = false;
        spin(clock::now() + each);
        tendril::yield();
    }
    neighbour.wait();
    std::printf("%ld blocks of %.0f ms in %.0f s: %d reports\n", blocks, in_ms(each),
                in_ms(in_all) / 1000, reports - before);
    return reports == before;
}

}  // namespace

int main() {
    const watchdog dog({.limit = limit,
                        .report =
                            [](const blockage& /*b*/) {
                                told_after = reading(meter) - begun.load();
                                ++reports;
                                told = true;
                            },
                        .pause = 0s});
    clockid_t own{};
    pthread_getcpuclockid(pthread_self(), &own);
    const bool named = named_in_time("computing", own, spin) &&
                       named_in_time("asleep", CLOCK_MONOTONIC, doze);
    return named && left_alone(20ms, 3s) && left_alone(50ms, 3s) ? 0 : 1;
}
