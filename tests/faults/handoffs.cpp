// handoffs.cpp - items that go to another thread and back: each arrives once, in order.
//
//     handoffs N      N hand-overs through queues with room for many; a tenth of that
//                     through those where each wakes the other thread
//
// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/clock.hpp>
#include <tendril/runtime/spawn.hpp>
#include <tendril/sync/queue.hpp>

#include <chrono>
#include <cstddef>
#include <cstdio>
#include <cstdlib>

#include "../support/hub_threads.hpp"

using namespace tendril;

namespace {

// Of `n` numbers, how many came in their place; what comes after the last must be the
// end of it.
long in_order(queue<long>& from, long n) {
    long right = 0;
    for (long i = 0; i < n; ++i) right += from.get() == i ? 1 : 0;
    return right;
}

bool there_and_back(std::size_t capacity, long hand_overs) {
    const long n = hand_overs / 2;
    queue<long> there(capacity), back(capacity);
    long seen_there = 0, seen_back = 0;
    const time_point begin = clock::now();
    test::on_threads(2, [&](int thread) {
        if (thread == 0) {
            auto putter = spawn([&] {
                for (long i = 0; i < n; ++i) there.put(i);
            });
            seen_back = in_order(back, n);
            putter.wait();
            return;
        }
        for (long i = 0; i < n; ++i) {
            const long item = there.get();
            seen_there += item == i ? 1 : 0;
            back.put(item);
        }
    });
    const std::chrono::duration<double> took = clock::now() - begin;
    const long spare = static_cast<long>(there.size() + back.size());
    std::printf(
        "capacity %zu: %ld hand-overs, %ld in order, %ld too many, %.0f a second\n",
        capacity, 2 * n, seen_there + seen_back, spare,
        static_cast<double>(2 * n) / took.count());
    return seen_there == n && seen_back == n && spare == 0;
}

}  // namespace

int main(int argc, char** argv) {
    const long n = argc > 1 ? std::atol(argv[1]) : 100'000;
    bool ok = true;
    for (const std::size_t capacity : {1024, 64, 1, 0}) {
        ok = there_and_back(capacity, capacity > 1 ? n : n / 10) && ok;
    }
    return ok && n >= 200 ? 0 : 1;
}
