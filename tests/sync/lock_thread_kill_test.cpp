// lock_thread_kill_test.cpp - one thread whose fibers are killed and run out of time at
// random, while those of others go about their business with the same primitives.
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
#include <chrono>
#include <cstddef>
#include <memory>
#include <mutex>
#include <vector>

#include "../support/hub_threads.hpp"
#include "../support/live_dangerously.hpp"
#include "../support/other_thread.hpp"
#include <doctest/doctest.h>

using namespace std::chrono_literals;
using namespace tendril;
using test::clean_end_of_threads;
using test::in_a_hurry;
using test::live_dangerously;
using test::on_threads;
using test::random_source;

namespace {

constexpr int rounds = test::dangerous_rounds;

}  // namespace

TEST_SUITE_BEGIN("sync between threads, kills");

TEST_CASE_FIXTURE(clean_end_of_threads, "a mutex survives the kills of one thread") {
    mutex m;
    int count = 0;
    std::atomic<int> tallied{0};
    std::atomic<bool> over{false};
    on_threads(3, [&](int thread) {
        const auto add = [&] {
            ++count;
            ++tallied;
        };
        if (thread > 0) {
            while (!over) {
                const std::lock_guard held(m);
                add();
            }
            return;
        }
        live_dangerously(1, [&](random_source& random) {
            if (random() % 2 == 0) {
                in_a_hurry(random, [&] {
                    const std::lock_guard held(m);
                    add();
                    yield();
                });
            } else if (m.try_lock_for(std::chrono::microseconds(random() % 50))) {
                const std::lock_guard held(m, std::adopt_lock);
                add();
            }
            yield();
        });
        over = true;
    });
    CHECK(count == tallied);
    CHECK(m.try_lock());
    m.unlock();
}

TEST_CASE_FIXTURE(clean_end_of_threads,
                  "a semaphore survives the kills of one thread") {
    semaphore slots(2);
    std::atomic<int> inside{0}, most{0};
    std::atomic<bool> over{false};

    struct visit {
        semaphore& slots;
        std::atomic<int>& inside;

        visit(semaphore& s, std::atomic<int>& i, std::atomic<int>& most)
            : slots(s), inside(i) {
            const int now = ++inside;
            if (now > most) most = now;
        }

        visit(const visit&) = delete;
        visit& operator=(const visit&) = delete;

        ~visit() {
            --inside;
            slots.release();
        }
    };

    on_threads(3, [&](int thread) {
        if (thread > 0) {
            while (!over) {
                slots.acquire();
                const visit mine(slots, inside, most);
            }
            return;
        }
        live_dangerously(2, [&](random_source& random) {
            if (random() % 2 == 0) {
                in_a_hurry(random, [&] {
                    slots.acquire();
                    const visit mine(slots, inside, most);
                    yield();
                });
            } else if (slots.try_acquire_for(
                           std::chrono::microseconds(random() % 50))) {
                const visit mine(slots, inside, most);
            }
            yield();
        });
        over = true;
    });
    CHECK(most <= 2);
    CHECK(inside == 0);
    CHECK(slots.balance() == 2);
}

TEST_CASE_FIXTURE(clean_end_of_threads, "an event survives the kills of one thread") {
    const auto events =
        std::make_unique<event<int>[]>(static_cast<std::size_t>(rounds));
    std::atomic<int> current{0};
    std::atomic<bool> right{true}, over{false};
    std::atomic<int> had{0};
    on_threads(2, [&](int thread) {
        if (thread == 1) {
            for (int i = 0; i < rounds && !over; ++i) {
                current = i;
                tendril::sleep(1us);
                events[static_cast<std::size_t>(i)].send(i);
            }
            return;
        }
        live_dangerously(3, [&](random_source& random) {
            const int i = current;
            auto& e = events[static_cast<std::size_t>(i)];
            in_a_hurry(random, [&] {
                const auto got = e.wait_for(std::chrono::microseconds(random() % 50));
                if (got && *got != i) right = false;
                if (got) ++had;
            });
            yield();
        });
        over = true;
    });
    CHECK(right);
    CHECK(over);
    CHECK(had > 0);
}

TEST_CASE_FIXTURE(clean_end_of_threads,
                  "no notification is lost on fibers that are killed") {
    mutex m;
    tendril::condition_variable changed;
    std::vector<int> buffer, taken;
    bool over = false;
    std::atomic<bool> victims_gone{false};
    int made = 0;
    const auto take = [&] {
        taken.push_back(buffer.back());
        buffer.pop_back();
    };
    on_threads(3, [&](int thread) {
        if (thread == 0) {
            live_dangerously(4, [&](random_source& random) {
                in_a_hurry(random, [&] {
                    std::unique_lock held(m);
                    const auto limit = std::chrono::microseconds(random() % 50);
                    if (changed.wait_for(held, limit,
                                         [&] { return !buffer.empty(); })) {
                        take();
                    }
                });
                yield();
            });
            victims_gone = true;
        } else if (thread == 1) {
            // Alone in the end: it hangs if one of its notifications is lost.
            std::unique_lock held(m);
            for (;;) {
                changed.wait(held, [&] { return over || !buffer.empty(); });
                if (buffer.empty()) return;
                take();
            }
        } else {
            while (!victims_gone) {
                const std::lock_guard held(m);
                buffer.push_back(made++);
                changed.notify_one();
            }
            const std::lock_guard held(m);
            over = true;
            changed.notify_all();
        }
    });
    std::sort(taken.begin(), taken.end());
    CHECK(static_cast<int>(taken.size()) == made);
    CHECK(std::adjacent_find(taken.begin(), taken.end()) == taken.end());
}
