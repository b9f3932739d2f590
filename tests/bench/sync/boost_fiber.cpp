// The same work on Boost.Fiber. It has no select.
// SPDX-License-Identifier: BSL-1.0
#include <boost/fiber/all.hpp>
#include <boost/fiber/pooled_fixedsize_stack.hpp>

#include <chrono>
#include <cstddef>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "measure.hpp"
#include "sum.hpp"

namespace {

using namespace std::chrono_literals;
namespace fibers = boost::fibers;

fibers::pooled_fixedsize_stack& stacks() {
    static fibers::pooled_fixedsize_stack all;
    return all;
}

template <class F>
fibers::fiber launch(F&& f) {
    return fibers::fiber(fibers::launch::post, std::allocator_arg, stacks(),
                         std::forward<F>(f));
}

fibers::future<int> item_of(std::uint64_t i) {
    return fibers::async(fibers::launch::post, std::allocator_arg, stacks(),
                         [i] { return bench::item(i); });
}

void mutex_free(std::uint64_t n, bench::stopwatch& watch) {
    fibers::mutex m;
    std::uint64_t held = 0;
    for (std::uint64_t i = 0; i < n; ++i) {
        const std::lock_guard lock(m);
        ++held;
    }
    watch.stop();
    bench::require(held == n, "a lock was not taken");
}

// Each lets the others run while it holds the mutex, so that they all come to wait.
template <std::size_t size>
void mutex_of(std::uint64_t n, bench::stopwatch& watch) {
    fibers::mutex m;
    std::uint64_t held = 0;
    std::vector<fibers::fiber> all;
    for (std::size_t i = 0; i < size; ++i) {
        all.push_back(launch([&m, &held, turns = n / size] {
            for (std::uint64_t k = 0; k < turns; ++k) {
                const std::lock_guard lock(m);
                const std::uint64_t before = held;
                boost::this_fiber::yield();
                held = before + 1;
            }
        }));
    }
    for (fibers::fiber& f : all) f.join();
    watch.stop();
    bench::require(held == n, "two held a mutex at once");
}

template <class Channel>
int taken(Channel& channel) {
    int value = 0;
    bench::require(channel.pop(value) == fibers::channel_op_status::success, "no item");
    return value;
}

template <class Channel>
int taken_in_time(Channel& channel) {
    int value = 0;
    bench::require(
        channel.pop_wait_for(value, 1h) == fibers::channel_op_status::success,
        "no item");
    return value;
}

// From one fiber to another, which calls `take`.
template <class Channel>
void pass(Channel& channel,
          std::uint64_t n,
          bench::stopwatch& watch,
          int (*take)(Channel&)) {
    bench::sum_of_items sum;
    fibers::fiber consumer = launch([&] {
        for (std::uint64_t i = 0; i < n; ++i) sum.add(take(channel));
    });
    fibers::fiber producer = launch([&] {
        for (std::uint64_t i = 0; i < n; ++i) channel.push(bench::item(i));
    });
    producer.join();
    consumer.join();
    watch.stop();
    sum.require_all_of(n);
}

// From a fiber of another thread to this one.
template <class Channel>
void pass_apart(Channel& channel, std::uint64_t n, bench::stopwatch& watch) {
    bench::sum_of_items sum;
    std::thread producer([&] {
        for (std::uint64_t i = 0; i < n; ++i) channel.push(bench::item(i));
    });
    sum.add(taken(channel));
    watch.start();  // both threads are there
    for (std::uint64_t i = 1; i < n; ++i) sum.add(taken(channel));
    watch.stop();
    producer.join();
    sum.require_all_of(n);
}

using unbuffered = fibers::unbuffered_channel<int>;
using buffered = fibers::buffered_channel<int>;

void queue_0(std::uint64_t n, bench::stopwatch& watch) {
    unbuffered channel;
    pass(channel, n, watch, taken<unbuffered>);
}

void queue_64(std::uint64_t n, bench::stopwatch& watch) {
    buffered channel(64);
    pass(channel, n, watch, taken<buffered>);
}

void queue_0_limit(std::uint64_t n, bench::stopwatch& watch) {
    unbuffered channel;
    pass(channel, n, watch, taken_in_time<unbuffered>);
}

void queue_0_apart(std::uint64_t n, bench::stopwatch& watch) {
    unbuffered channel;
    pass_apart(channel, n, watch);
}

void queue_64_apart(std::uint64_t n, bench::stopwatch& watch) {
    buffered channel(64);
    pass_apart(channel, n, watch);
}

void event_1000(std::uint64_t n, bench::stopwatch& watch) {
    constexpr std::size_t waiters = 1000;
    fibers::mutex m;
    fibers::condition_variable changed;
    std::uint64_t sent = 0;
    std::size_t arrived = 0;
    const std::uint64_t rounds = n / waiters;
    std::vector<fibers::fiber> all;
    for (std::size_t i = 0; i < waiters; ++i) {
        all.push_back(launch([&] {
            for (std::uint64_t r = 0; r < rounds; ++r) {
                std::unique_lock held(m);
                ++arrived;
                changed.wait(held, [&] { return sent > r; });
            }
        }));
    }
    const auto all_wait = [&] {
        while (arrived < waiters) boost::this_fiber::yield();
        arrived = 0;
    };
    all_wait();
    watch.start();
    for (std::uint64_t r = 0; r < rounds; ++r) {
        std::unique_lock held(m);
        ++sent;
        held.unlock();
        changed.notify_all();
        if (r + 1 < rounds) all_wait();
    }
    for (fibers::fiber& f : all) f.join();
    watch.stop();
}

void gather_1000(std::uint64_t n, bench::stopwatch& watch) {
    constexpr std::uint64_t size = 1000;
    bench::sum_of_items sum;
    for (std::uint64_t first = 0; first < n; first += size) {
        std::vector<fibers::future<int>> all;
        for (std::uint64_t i = first; i < first + size; ++i) all.push_back(item_of(i));
        for (auto& f : all) sum.add(f.get());
    }
    watch.stop();
    sum.require_all_of(n);
}

// A hundred at once at most, and what they return in the order of the items.
void imap_100(std::uint64_t n, bench::stopwatch& watch) {
    std::deque<fibers::future<int>> under_way;
    bench::sum_of_items sum;
    const auto take = [&] {
        sum.add(under_way.front().get());
        under_way.pop_front();
    };
    for (std::uint64_t i = 0; i < n; ++i) {
        if (under_way.size() == 100) take();
        under_way.push_back(item_of(i));
    }
    while (!under_way.empty()) take();
    watch.stop();
    sum.require_all_of(n);
}

constexpr bench::work all[] = {
    {"mutex_free", mutex_free},
    {"mutex_2", mutex_of<2>},
    {"mutex_8", mutex_of<8>},
    {"queue_0", queue_0},
    {"queue_64", queue_64},
    {"queue_0_limit", queue_0_limit},
    {"event_1000", event_1000},
    {"gather_1000", gather_1000},
    {"imap_100", imap_100},
    {"queue_0_apart", queue_0_apart, bench::by::clock},
    {"queue_64_apart", queue_64_apart, bench::by::clock},
};

}  // namespace

int main(int argc, char** argv) {
    return bench::run_main(argc, argv, all);
}
