// The workloads of sync on tendril.
// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>
#include <tendril/runtime/timeout.hpp>
#include <tendril/sync/channel.hpp>
#include <tendril/sync/event.hpp>
#include <tendril/sync/gather.hpp>
#include <tendril/sync/mutex.hpp>
#include <tendril/sync/pool.hpp>
#include <tendril/sync/queue.hpp>
#include <tendril/sync/select.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <latch>
#include <mutex>
#include <numeric>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "measure.hpp"
#include "sum.hpp"

namespace {

using namespace std::chrono_literals;
using tendril::fiber;
using tendril::spawn;

void mutex_free(std::uint64_t n, bench::stopwatch& watch) {
    tendril::mutex m;
    std::uint64_t held = 0;
    for (std::uint64_t i = 0; i < n; ++i) {
        const std::lock_guard lock(m);
        ++held;
    }
    watch.stop();
    bench::require(held == n, "a lock was not taken");
}

// The same work with a thread beside it that does nothing.
template <void (*run)(std::uint64_t, bench::stopwatch&)>
void threaded(std::uint64_t n, bench::stopwatch& watch) {
    std::latch end(1);
    std::thread other([&] { end.wait(); });
    watch.start();
    run(n, watch);
    end.count_down();
    other.join();
}

// Each lets the others run while it holds the mutex, so that they all come to wait.
template <std::size_t size>
void mutex_of(std::uint64_t n, bench::stopwatch& watch) {
    tendril::mutex m;
    std::uint64_t held = 0;
    std::vector<fiber<>> all;
    for (std::size_t i = 0; i < size; ++i) {
        all.push_back(spawn([&m, &held, turns = n / size] {
            for (std::uint64_t k = 0; k < turns; ++k) {
                const std::lock_guard lock(m);
                const std::uint64_t before = held;
                tendril::yield();
                held = before + 1;
            }
        }));
    }
    for (const fiber<>& f : all) f.wait();
    watch.stop();
    bench::require(held == n, "two held a mutex at once");
}

// From a fiber that calls `put` to one that calls `take`.
template <class Put, class Take>
void pass(std::uint64_t n, bench::stopwatch& watch, Put put, Take take) {
    bench::sum_of_items sum;
    fiber<> consumer = spawn([&] {
        for (std::uint64_t i = 0; i < n; ++i) sum.add(take());
    });
    fiber<> producer = spawn([&] {
        for (std::uint64_t i = 0; i < n; ++i) put(bench::item(i));
    });
    producer.wait();
    consumer.wait();
    watch.stop();
    sum.require_all_of(n);
}

// From a fiber of another thread to this one.
template <class Put, class Take>
void pass_apart(std::uint64_t n, bench::stopwatch& watch, Put put, Take take) {
    bench::sum_of_items sum;
    std::thread producer([&] {
        for (std::uint64_t i = 0; i < n; ++i) put(bench::item(i));
    });
    sum.add(take());
    watch.start();  // both threads are there
    for (std::uint64_t i = 1; i < n; ++i) sum.add(take());
    watch.stop();
    producer.join();
    sum.require_all_of(n);
}

template <std::size_t capacity>
void queue_of(std::uint64_t n, bench::stopwatch& watch) {
    tendril::queue<int> queue(capacity);
    pass(
        n, watch, [&](int i) { queue.put(i); }, [&] { return queue.get(); });
}

template <std::size_t capacity>
void queue_apart(std::uint64_t n, bench::stopwatch& watch) {
    tendril::queue<int> queue(capacity);
    pass_apart(
        n, watch, [&](int i) { queue.put(i); }, [&] { return queue.get(); });
}

template <std::size_t capacity>
void channel_of(std::uint64_t n, bench::stopwatch& watch) {
    auto ends = tendril::make_channel<int>(capacity);
    pass(
        n, watch, [&](int i) { ends.to.send(i); }, [&] { return ends.from.receive(); });
}

template <std::size_t capacity>
void channel_apart(std::uint64_t n, bench::stopwatch& watch) {
    auto ends = tendril::make_channel<int>(capacity);
    pass_apart(
        n, watch, [&](int i) { ends.to.send(i); }, [&] { return ends.from.receive(); });
}

void queue_0_limit(std::uint64_t n, bench::stopwatch& watch) {
    tendril::queue<int> queue(0);
    const auto get = [&] {
        const tendril::timeout limit(1h);
        return queue.get();
    };
    pass(
        n, watch, [&](int i) { queue.put(i); }, get);
}

void select_4(std::uint64_t n, bench::stopwatch& watch) {
    std::array<std::optional<tendril::channel_ends<int>>, 4> ends;
    for (auto& e : ends) e = tendril::make_channel<int>();
    bench::sum_of_items sum;
    fiber<> consumer = spawn([&] {
        const auto add = [&](int i) { sum.add(i); };
        for (std::uint64_t i = 0; i < n; ++i) {
            tendril::select(tendril::on_receive(ends[0]->from, add),
                            tendril::on_receive(ends[1]->from, add),
                            tendril::on_receive(ends[2]->from, add),
                            tendril::on_receive(ends[3]->from, add));
        }
    });
    std::vector<fiber<>> producers;
    for (std::size_t k = 0; k < ends.size(); ++k) {
        producers.push_back(spawn([&ends, k, n] {
            for (std::uint64_t i = k; i < n; i += ends.size()) {
                ends[k]->to.send(bench::item(i));
            }
        }));
    }
    for (const fiber<>& f : producers) f.wait();
    consumer.wait();
    watch.stop();
    sum.require_all_of(n);
}

// Two events by turns: while one is waited for, the other is made new.
void event_1000(std::uint64_t n, bench::stopwatch& watch) {
    constexpr std::size_t waiters = 1000;
    std::array<tendril::event<>, 2> news;
    std::size_t arrived = 0;
    const std::uint64_t rounds = n / waiters;
    std::vector<fiber<>> all;
    for (std::size_t i = 0; i < waiters; ++i) {
        all.push_back(spawn([&] {
            for (std::uint64_t r = 0; r < rounds; ++r) {
                ++arrived;
                news[r % 2].wait();
            }
        }));
    }
    const auto all_wait = [&] {
        while (arrived < waiters) tendril::yield();
        arrived = 0;
    };
    all_wait();
    watch.start();
    for (std::uint64_t r = 0; r < rounds; ++r) {
        news[r % 2].send();
        if (r + 1 < rounds) all_wait();
        news[r % 2].reset();
    }
    for (const fiber<>& f : all) f.wait();
    watch.stop();
}

void gather_1000(std::uint64_t n, bench::stopwatch& watch) {
    constexpr std::uint64_t size = 1000;
    bench::sum_of_items sum;
    for (std::uint64_t first = 0; first < n; first += size) {
        std::vector<fiber<int>> all;
        for (std::uint64_t i = first; i < first + size; ++i) {
            all.push_back(spawn([i] { return bench::item(i); }));
        }
        for (const int item : tendril::gather(all)) sum.add(item);
    }
    watch.stop();
    sum.require_all_of(n);
}

void imap_100(std::uint64_t n, bench::stopwatch& watch) {
    tendril::pool members(100);
    bench::sum_of_items sum;
    std::vector<std::uint64_t> numbers(n);
    std::iota(numbers.begin(), numbers.end(), 0);
    watch.start();
    for (const int item : members.imap(bench::item, numbers)) sum.add(item);
    watch.stop();
    sum.require_all_of(n);
}

constexpr bench::work all[] = {
    {"mutex_free", mutex_free},
    {"mutex_free:threaded", threaded<mutex_free>},
    {"mutex_2", mutex_of<2>},
    {"mutex_8", mutex_of<8>},
    {"queue_0", queue_of<0>},
    {"queue_0:channel", channel_of<0>},
    {"queue_64", queue_of<64>},
    {"queue_64:threaded", threaded<queue_of<64>>},
    {"queue_64:channel", channel_of<64>},
    {"queue_0_limit", queue_0_limit},
    {"select_4", select_4},
    {"event_1000", event_1000},
    {"gather_1000", gather_1000},
    {"imap_100", imap_100},
    {"queue_0_apart", queue_apart<0>, bench::by::clock},
    {"queue_0_apart:channel", channel_apart<0>, bench::by::clock},
    {"queue_64_apart", queue_apart<64>, bench::by::clock},
    {"queue_64_apart:channel", channel_apart<64>, bench::by::clock},
};

}  // namespace

int main(int argc, char** argv) {
    return bench::run_main(argc, argv, all);
}
