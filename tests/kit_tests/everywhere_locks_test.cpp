// everywhere_locks_test.cpp - flags, latches, barriers, the other mutexes, semaphores
// and queues of sync, ended at every moment.
//
// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/error.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>
#include <tendril/sync/barrier.hpp>
#include <tendril/sync/bounded_semaphore.hpp>
#include <tendril/sync/capped_semaphore.hpp>
#include <tendril/sync/channel.hpp>
#include <tendril/sync/flag.hpp>
#include <tendril/sync/latch.hpp>
#include <tendril/sync/lifo_queue.hpp>
#include <tendril/sync/priority_queue.hpp>
#include <tendril/sync/recursive_mutex.hpp>
#include <tendril/sync/select.hpp>
#include <tendril/sync/shared_mutex.hpp>

#include <chrono>
#include <cstdlib>
#include <mutex>
#include <optional>
#include <shared_mutex>

#include "everywhere.hpp"
#include <doctest/doctest.h>

using namespace std::chrono_literals;
using namespace tendril;
using test::clean_virtual_time;
using test::companion;
using test::holds_at_end;
using test::holds_everywhere;

namespace {

template <class Mutex>
bool is_free(Mutex& m) {
    if (!m.try_lock()) return false;
    m.unlock();
    return true;
}

// Also where this fiber could have it again.
template <class Mutex>
bool is_free_for_others(Mutex& m) {
    const uninterrupted here;
    return spawn([&] { return is_free(m); }).wait();
}

}  // namespace

TEST_SUITE_BEGIN("kit/everywhere locks");

TEST_CASE_FIXTURE(clean_virtual_time, "flag and latch: who is ended leaves the line") {
    holds_everywhere(
        4,
        [] {
            flag f;
            latch l(2);
            const companion other([&] {
                yield();
                f.set();
                l.count_down();
                tendril::sleep(1s);
                l.count_down();
            });
            f.wait();
            if (!f.wait_for(1s)) throw 1;
            l.wait();
            if (!l.wait_for(1s)) throw 1;
            f.clear();
            if (f.wait_for(1s)) throw 1;
            other.join();
        },
        false);
}

TEST_CASE_FIXTURE(clean_virtual_time, "barrier: who is ended has not arrived") {
    holds_everywhere(3, [] {
        barrier b(2);
        const holds_at_end nobody_waits([&] { return b.waiting() == 0; });
        const companion other([&] {
            for (;;) {
                b.arrive_and_wait();
                yield();
            }
        });
        for (int i = 0; i < 3; ++i) b.arrive_and_wait();
        b.arrive_for(1s);
    });
}

TEST_CASE_FIXTURE(clean_virtual_time,
                  "recursive_mutex: free again, however often it was locked") {
    holds_everywhere(2, [] {
        recursive_mutex m;
        const holds_at_end free([&] { return is_free_for_others(m); });
        {
            const companion other([&] {
                for (;;) {
                    const std::lock_guard once(m);
                    const std::lock_guard twice(m);
                    tendril::sleep(1s);
                }
            });
            for (int i = 0; i < 2; ++i) {
                const std::lock_guard once(m);
                yield();
                const std::lock_guard twice(m);
                yield();
            }
            if (m.try_lock_for(1ms)) m.unlock();
        }
    });
}

TEST_CASE_FIXTURE(clean_virtual_time,
                  "shared_mutex: free again for readers and writers") {
    holds_everywhere(4, [] {
        shared_mutex m;
        const holds_at_end free([&] { return is_free(m); });
        {
            const companion reader([&] {
                for (;;) {
                    const std::shared_lock held(m);
                    tendril::sleep(1s);
                }
            });
            const companion writer([&] {
                for (;;) {
                    const std::unique_lock held(m);
                    tendril::sleep(1s);
                }
            });
            for (int i = 0; i < 2; ++i) {
                {
                    const std::unique_lock held(m);
                    yield();
                }
                const std::shared_lock held(m);
                yield();
            }
            if (m.try_lock_for(1ms)) m.unlock();
            if (m.try_lock_shared_for(1ms)) m.unlock_shared();
        }
    });
}

TEST_CASE_FIXTURE(clean_virtual_time,
                  "bounded and capped semaphores: no token is lost or new") {
    holds_everywhere(3, [] {
        bounded_semaphore bounded(1);
        capped_semaphore capped(0, 1);
        int given = 0, taken = 0;
        const holds_at_end all_there([&] {
            // One may have been handed over and not been counted.
            const auto left = (capped.balance() + 1) / 2;
            return bounded.balance() == 1 && std::abs(given - taken - left) <= 1;
        });
        const auto use = [&] {
            bounded.acquire();
            struct give_back {
                bounded_semaphore& s;
                ~give_back() { s.release(); }
            } const at_end{bounded};
            tendril::sleep(1s);
        };
        {
            const companion user([&] { use(), use(); });
            const companion giver([&] {
                for (;;) capped.release(), ++given;
            });
            use();
            for (int i = 0; i < 3; ++i) capped.acquire(), ++taken;
            use();
        }
    });
}

TEST_CASE_FIXTURE(clean_virtual_time,
                  "lifo_queue and priority_queue: each item is somewhere") {
    holds_everywhere(3, [] {
        lifo_queue<int> newest(1);
        priority_queue<int> first(1);
        int put = 0, got = 0;
        // One may have been handed over and not been counted.
        const holds_at_end all_there([&] {
            const int left = static_cast<int>(newest.size() + first.size());
            return std::abs(put - got - left) <= 1;
        });
        newest.put(0);
        newest.get();
        {
            const companion putter([&] {
                for (int i = 0; i < 4; ++i) {
                    newest.put(i);
                    ++put;
                    first.put(i);
                    ++put;
                }
                newest.close();
                first.close();
            });
            for (const int i : newest) {
                static_cast<void>(i);
                ++got;
                first.get();
                ++got;
            }
            putter.join();
        }
        if (put != got) throw 1;
    });
}

TEST_CASE_FIXTURE(clean_virtual_time,
                  "channel and select: each item is somewhere, each end told") {
    holds_everywhere(4, [] {
        int sent = 0, received = 0;
        // One may be in the channel, and one handed over and not counted.
        const holds_at_end all_there(
            [&] { return sent - received >= -1 && sent - received <= 2; });
        {
            auto a = make_channel<int>(1);
            auto b = make_channel<int>();
            const companion other([&, to = a.to, from = b.from]() mutable {
                for (int i = 0; i < 3; ++i) {
                    to.send(i);
                    ++sent;
                    from.receive();
                    ++received;
                }
            });
            a.to = {};
            b.from = {};
            int item = 0;
            for (int i = 0; i < 6; ++i) {
                select(on_receive(a.from,
                                  [&](std::optional<int> n) { received += n ? 1 : 0; }),
                       on_send(b.to, item, [&] { ++sent; }), after(1h, [] {}));
            }
            other.join();
        }
        if (sent != received) throw 1;
    });
}

TEST_SUITE_END();
