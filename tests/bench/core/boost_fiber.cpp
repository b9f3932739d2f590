// The same work on Boost.Fiber: its default scheduler, and stacks from its pool, which
// is the fastest way it has to get one.
// SPDX-License-Identifier: BSL-1.0
#include <boost/fiber/all.hpp>
#include <boost/fiber/pooled_fixedsize_stack.hpp>

#include <chrono>
#include <cstddef>
#include <memory>
#include <vector>

#include "measure.hpp"

namespace {

using namespace std::chrono_literals;
namespace fibers = boost::fibers;

template <class F>
fibers::fiber launch(fibers::launch how, F&& f) {
    static fibers::pooled_fixedsize_stack stacks;
    return fibers::fiber(how, std::allocator_arg, stacks, std::forward<F>(f));
}

template <class F>
fibers::fiber launch(F&& f) {
    return launch(fibers::launch::post, std::forward<F>(f));
}

// All run the same code; the first one of them times it.
template <std::size_t size>
void yield_ring(std::uint64_t n, bench::stopwatch& watch) {
    const auto body = [turns = n / size, &watch](bool timed) {
        boost::this_fiber::yield();
        if (timed) watch.start();
        for (std::uint64_t i = 0; i < turns; ++i) boost::this_fiber::yield();
        if (timed) watch.stop();
    };
    std::vector<fibers::fiber> ring;
    while (ring.size() < size) {
        ring.push_back(launch([&body, first = ring.empty()] { body(first); }));
    }
    for (fibers::fiber& f : ring) f.join();
}

template <fibers::launch how>
void spawn_wait(std::uint64_t n, bench::stopwatch& watch) {
    std::uint64_t ran = 0;
    for (std::uint64_t i = 0; i < n; ++i) launch(how, [&] { ++ran; }).join();
    watch.stop();
    bench::require(ran == n, "a fiber did not run");
}

void sleep_wake(std::uint64_t n, bench::stopwatch& watch) {
    constexpr std::size_t sleepers = 1000;
    std::size_t started = 0;
    std::vector<fibers::fiber> all;
    for (std::size_t i = 0; i < sleepers; ++i) {
        all.push_back(launch([&] {
            if (++started == sleepers) watch.start();
            for (std::uint64_t k = 0; k < n / sleepers; ++k) {
                boost::this_fiber::sleep_for(1us);
            }
        }));
    }
    for (fibers::fiber& f : all) f.join();
    watch.stop();
}

constexpr bench::work all[] = {
    {"yield_2", yield_ring<2>},
    {"yield_1000", yield_ring<1000>},
    {"spawn_wait", spawn_wait<fibers::launch::post>},
    {"spawn_wait:dispatch", spawn_wait<fibers::launch::dispatch>},
    {"sleep_wake", sleep_wake},
};

}  // namespace

int main(int argc, char** argv) {
    return bench::run_main(argc, argv, all);
}
