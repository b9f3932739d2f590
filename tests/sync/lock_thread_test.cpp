// lock_thread_test.cpp - mutex, semaphore, event and condition_variable between hubs.
//
// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/fiber.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>
#include <tendril/sync/condition_variable.hpp>
#include <tendril/sync/event.hpp>
#include <tendril/sync/mutex.hpp>
#include <tendril/sync/semaphore.hpp>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "../support/hub_threads.hpp"
#include "../support/other_thread.hpp"
#include <doctest/doctest.h>

using namespace tendril;
using test::clean_end_of_threads;
using test::on_threads;

namespace {

constexpr int handovers = test::repetitions(200'000);

// f(n) in `count` fibers of this thread, until all have ended.
template <class F>
void in_fibers(int count, F f) {
    std::vector<fiber<>> fibers;
    for (int i = 0; i < count; ++i) fibers.push_back(spawn([&f, i] { f(i); }));
    for (const auto& one : fibers) one.wait();
}

}  // namespace

TEST_SUITE_BEGIN("sync between threads");

TEST_CASE_FIXTURE(clean_end_of_threads, "a mutex keeps fibers of all threads apart") {
    for (const int threads : {2, 4}) {
        mutex m;
        int count = 0;  // plain, since the mutex is all the protection there is
        const int each = handovers / (threads * 4);
        on_threads(threads, [&](int) {
            in_fibers(4, [&](int) {
                for (int i = 0; i < each; ++i) {
                    const std::lock_guard held(m);
                    ++count;
                    if (i % 16 == 0) yield();
                }
            });
        });
        CHECK(count == each * threads * 4);
        CHECK(m.try_lock());
        m.unlock();
    }
}

TEST_CASE_FIXTURE(clean_end_of_threads,
                  "scoped_lock in any order ends in all threads") {
    mutex a, b;
    int count = 0;
    const int each = handovers / 32;
    on_threads(4, [&](int thread) {
        in_fibers(2, [&](int i) {
            for (int n = 0; n < each; ++n) {
                mutex& first = (thread + i) % 2 == 0 ? a : b;
                mutex& second = &first == &a ? b : a;
                const std::scoped_lock held(first, second);
                ++count;
            }
        });
    });
    CHECK(count == each * 8);
}

TEST_CASE_FIXTURE(clean_end_of_threads,
                  "a semaphore lets in no more than it has tokens") {
    for (const int threads : {2, 4}) {
        semaphore slots(3);
        std::atomic<int> inside{0}, most{0}, count{0};
        const int each = handovers / (threads * 4);
        on_threads(threads, [&](int) {
            in_fibers(4, [&](int) {
                for (int i = 0; i < each; ++i) {
                    slots.acquire();
                    const int now = ++inside;
                    if (now > most) most = now;
                    ++count;
                    if (i % 16 == 0) yield();
                    --inside;
                    slots.release();
                }
            });
        });
        CHECK(count == each * threads * 4);
        CHECK(most == 3);
        CHECK(slots.balance() == 3);
    }
}

TEST_CASE_FIXTURE(clean_end_of_threads,
                  "tokens given by one thread are had by another") {
    constexpr int tokens = handovers;
    semaphore s(0);
    on_threads(2, [&](int thread) {
        if (thread == 0) {
            in_fibers(4, [&](int) {
                for (int i = 0; i < tokens / 4; ++i) s.acquire();
            });
        } else {
            for (int i = 0; i < tokens; i += 2) s.release(2);
        }
    });
    CHECK(s.balance() == 0);
}

TEST_CASE_FIXTURE(clean_end_of_threads, "an event reaches all fibers of all threads") {
    for (const int threads : {2, 4}) {
        constexpr int fibers = 25;
        const int rounds = handovers / (threads * fibers);
        const auto all = static_cast<std::size_t>(rounds);
        const auto events = std::make_unique<event<int>[]>(all + 1);
        std::vector<std::atomic<int>> arrived(all);
        std::atomic<int> right{0};
        on_threads(threads, [&](int thread) {
            if (thread == 0) events[0].send(0);
            in_fibers(fibers, [&](int) {
                for (std::size_t r = 0; r < all; ++r) {
                    const int number = static_cast<int>(r);
                    if (events[r].wait() == number) ++right;
                    // The last of them all begins the next round.
                    if (++arrived[r] == threads * fibers)
                        events[r + 1].send(number + 1);
                }
            });
        });
        CHECK(right == rounds * threads * fibers);
        CHECK(events[all].poll() == rounds);
    }
}

TEST_CASE_FIXTURE(clean_end_of_threads,
                  "whoever an event wakes may destroy it, on any thread") {
    constexpr int rounds = test::repetitions(20'000);
    std::atomic<event<int>*> box{nullptr};
    int right = 0;
    on_threads(2, [&](int thread) {
        for (int i = 0; i < rounds; ++i) {
            if (thread == 0) {
                const auto mine = std::make_unique<event<int>>();
                box = mine.get();
                if (mine->wait() == i) ++right;
            } else {
                event<int>* theirs = nullptr;
                while ((theirs = box.exchange(nullptr)) == nullptr) {
                    test::give_way();
                }
                theirs->send(i);
            }
        }
    });
    CHECK(right == rounds);
}

TEST_CASE_FIXTURE(clean_end_of_threads, "a condition_variable loses no notification") {
    for (const int threads : {2, 4}) {
        mutex m;
        tendril::condition_variable not_empty, not_full;
        std::deque<int> buffer;
        std::vector<int> times_taken(static_cast<std::size_t>(handovers));
        const int sides = threads / 2;
        const int each = handovers / (sides * 2);
        on_threads(threads, [&](int thread) {
            in_fibers(2, [&](int i) {
                const int first = (thread / 2 * 2 + i) * each;
                for (int n = 0; n < each; ++n) {
                    std::unique_lock held(m);
                    if (thread % 2 == 0) {
                        not_full.wait(held, [&] { return buffer.size() < 16; });
                        buffer.push_back(first + n);
                        not_empty.notify_one();
                    } else {
                        not_empty.wait(held, [&] { return !buffer.empty(); });
                        ++times_taken[static_cast<std::size_t>(buffer.front())];
                        buffer.pop_front();
                        not_full.notify_one();
                    }
                }
            });
        });
        CHECK(std::all_of(times_taken.begin(), times_taken.end(),
                          [](int times) { return times == 1; }));
        CHECK(buffer.empty());
    }
}
