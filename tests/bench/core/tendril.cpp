// The core workloads on tendril.
// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/hub.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>
#include <tendril/runtime/timeout.hpp>
#include <tendril/runtime/watchdog.hpp>

#include <chrono>
#include <cstddef>
#include <random>
#include <vector>

#include "measure.hpp"

namespace {

using namespace std::chrono_literals;
using tendril::fiber;
using tendril::spawn;

// All run the same code; the first one of them times it.
template <std::size_t size>
void yield_ring(std::uint64_t n, bench::stopwatch& watch) {
    const auto body = [turns = n / size, &watch](bool timed) {
        tendril::yield();
        if (timed) watch.start();
        for (std::uint64_t i = 0; i < turns; ++i) tendril::yield();
        if (timed) watch.stop();
    };
    std::vector<fiber<>> ring;
    while (ring.size() < size) ring.push_back(spawn(body, ring.empty()));
    for (const fiber<>& f : ring) f.wait();
}

// With the watchdog's own thread in the processor time.
void yield_2_watched(std::uint64_t n, bench::stopwatch& watch) {
    const tendril::watchdog dog;
    yield_ring<2>(n, watch);
}

void spawn_wait(std::uint64_t n, bench::stopwatch& watch) {
    std::uint64_t ran = 0;
    for (std::uint64_t i = 0; i < n; ++i) spawn([&] { ++ran; }).wait();
    watch.stop();
    bench::require(ran == n, "a fiber did not run");
}

// Deadlines all over the next two hours, among ten thousand that are armed already.
void timer_arm_cancel(std::uint64_t n, bench::stopwatch& watch) {
    std::minstd_rand random(1);
    std::uniform_int_distribution<std::int64_t> when(1, 7'200'000'000);
    std::vector<tendril::timer> others;
    for (int i = 0; i < 10'000; ++i) {
        others.push_back(tendril::hub::current().call_later(
            std::chrono::microseconds(when(random)), [] {}));
    }
    std::vector<std::chrono::nanoseconds> limits;
    for (std::uint64_t i = 0; i < bench::batch; ++i) {
        limits.push_back(std::chrono::microseconds(when(random)));
    }
    watch.start();
    for (std::uint64_t i = 0; i < n; i += bench::batch) {
        for (const auto limit : limits) tendril::timeout armed(limit);
    }
    watch.stop();
    for (tendril::timer& t : others) t.cancel();
}

// So many sleepers that one is always due: what is timed is the work, not the wait.
void sleep_wake(std::uint64_t n, bench::stopwatch& watch) {
    constexpr std::size_t sleepers = 1000;
    std::size_t started = 0;
    std::vector<fiber<>> all;
    for (std::size_t i = 0; i < sleepers; ++i) {
        all.push_back(spawn([&] {
            if (++started == sleepers) watch.start();
            for (std::uint64_t k = 0; k < n / sleepers; ++k) tendril::sleep(1us);
        }));
    }
    for (const fiber<>& f : all) f.wait();
    watch.stop();
}

constexpr bench::work all[] = {
    {"yield_2", yield_ring<2>},
    {"yield_2:watchdog", yield_2_watched},
    {"yield_1000", yield_ring<1000>},
    {"spawn_wait", spawn_wait},
    {"timer_arm_cancel", timer_arm_cancel},
    {"sleep_wake", sleep_wake},
};

}  // namespace

int main(int argc, char** argv) {
    return bench::run_main(argc, argv, all);
}
