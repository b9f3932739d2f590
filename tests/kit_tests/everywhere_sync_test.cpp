// everywhere_sync_test.cpp - the primitives of sync, ended at every moment.
//
// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/cancel.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>
#include <tendril/sync/condition_variable.hpp>
#include <tendril/sync/event.hpp>
#include <tendril/sync/mutex.hpp>
#include <tendril/sync/queue.hpp>
#include <tendril/sync/semaphore.hpp>
#include <tendril/sync/thread_pool.hpp>

#include <atomic>
#include <chrono>
#include <exception>
#include <mutex>
#include <string>
#include <vector>

#include "../support/other_thread.hpp"
#include "everywhere.hpp"
#include <doctest/doctest.h>

using namespace std::chrono_literals;
using namespace tendril;
using test::clean_virtual_time;
using test::companion;
using test::holds_at_end;
using test::holds_everywhere;

TEST_SUITE_BEGIN("kit/everywhere sync");

namespace {

class clean_virtual_threads : test::spare_doorbells, public clean_virtual_time {};

}  // namespace

TEST_CASE_FIXTURE(clean_virtual_time, "mutex: locked, contended, several at once") {
    holds_everywhere(3, [] {
        mutex m, n;
        {
            const companion other([&] {
                for (;;) {
                    const std::scoped_lock both(n, m);
                    tendril::sleep(1s);
                }
            });
            for (int i = 0; i < 3; ++i) {
                const std::scoped_lock both(m, n);
                yield();
            }
            if (m.try_lock_for(1ms)) m.unlock();
        }
        // Whatever happened, it is free.
        if (!m.try_lock()) throw 1;
        m.unlock();
    });
}

TEST_CASE_FIXTURE(clean_virtual_time, "semaphore: no token is lost") {
    holds_everywhere(
        2,
        [] {
            semaphore tokens(1);
            const auto use = [&] {
                tokens.acquire();
                struct give_back {
                    semaphore& s;
                    ~give_back() { s.release(); }
                } const at_end{tokens};
                tendril::sleep(1s);
            };
            struct count {
                semaphore& s;
                ~count() {
                    if (!s.try_acquire()) std::terminate();
                }
            } const at_end{tokens};
            const companion other([&] { use(), use(); });
            use();
            use();
            other.join();
        },
        false);
}

TEST_CASE_FIXTURE(clean_virtual_time, "semaphore: try_acquire_for, late and in time") {
    holds_everywhere(2, [] {
        semaphore tokens(0);
        int made = 0, got = 0;
        struct count {
            semaphore& tokens;
            int &made, &got;
            ~count() {
                if (tokens.balance() != made - got) std::terminate();
            }
        } const at_end{tokens, made, got};
        const companion other([&] {
            for (;;) {
                tendril::sleep(1s);
                tokens.release();
                ++made;
            }
        });
        if (tokens.try_acquire_for(100ms)) throw 1;
        for (int i = 0; i < 2; ++i) got += tokens.try_acquire_for(10s) ? 1 : 0;
        if (got != 2) throw 2;
    });
}

TEST_CASE_FIXTURE(clean_virtual_time,
                  "condition_variable: its mutex is held again, and given back") {
    holds_everywhere(2, [] {
        mutex m;
        condition_variable changed;
        bool ready = false;
        {
            const companion other([&] {
                for (;;) {
                    tendril::sleep(1s);
                    const std::lock_guard held(m);
                    ready = !ready;
                    changed.notify_one();
                }
            });
            std::unique_lock held(m);
            while (!ready) changed.wait(held);
            changed.wait_for(held, 100ms);
        }
        if (!m.try_lock()) throw 1;
        m.unlock();
    });
}

TEST_CASE_FIXTURE(clean_virtual_time, "event: of a value, of a failure, reset") {
    holds_everywhere(2, [] {
        event<std::string> e;
        const companion sender([&] {
            for (;;) {
                tendril::sleep(1s);
                e.send(std::string(100, 'x'));
                tendril::sleep(1s);
                e.reset();
            }
        });
        if (e.wait().size() != 100) throw 1;
        tendril::sleep(1s);
        e.wait();
    });
}

TEST_CASE_FIXTURE(clean_virtual_time, "event: wait_for, late and in time") {
    holds_everywhere(2, [] {
        event<std::string> e;
        const companion sender([&] {
            tendril::sleep(1s);
            e.send(std::string(100, 'x'));
        });
        if (e.wait_for(100ms)) throw 1;
        const auto sent = e.wait_for(10s);
        if (!sent || sent->size() != 100) throw 2;
    });
}

TEST_CASE_FIXTURE(clean_virtual_time, "queue: join, until all has been dealt with") {
    holds_everywhere(2, [] {
        queue<std::string> q;
        for (int i = 0; i < 2; ++i) q.put(std::string(100, 'x'));
        const companion worker([&] {
            for (;;) {
                q.get();
                tendril::sleep(1s);
                q.task_done();
            }
        });
        q.join();
        if (q.unfinished_tasks() != 0) throw 1;
        q.put(std::string(100, 'x'));
        q.join();
    });
}

TEST_CASE_FIXTURE(clean_virtual_time, "queue: bounded, unbounded and rendezvous") {
    for (const std::size_t capacity : {std::size_t{0}, std::size_t{2}, unbounded}) {
        holds_everywhere(2, [capacity] {
            queue<std::string> q(capacity);
            int put = 0, got = 0;
            // One may have been handed over and not been counted.
            const holds_at_end all_there([&] {
                const int left = static_cast<int>(q.size());
                return std::abs(put - got - left) <= 1;
            });
            const companion producer([&] {
                for (;;) {
                    q.put(std::string(100, 'x'));
                    ++put;
                    tendril::sleep(1s);
                }
            });
            for (int i = 0; i < 4; ++i) {
                if (q.get().size() != 100) throw 1;
                ++got;
            }
            if (q.get_for(500ms)) ++got;
        });
    }
}

TEST_CASE_FIXTURE(clean_virtual_time, "queue: who puts is ended") {
    for (const std::size_t capacity : {std::size_t{0}, std::size_t{1}}) {
        holds_everywhere(2, [capacity] {
            queue<std::string> q(capacity);
            const companion consumer([&] {
                for (;;) {
                    if (q.get().size() != 100) std::terminate();
                    tendril::sleep(1s);
                }
            });
            for (int i = 0; i < 4; ++i) q.put(std::string(100, 'x'));
            q.put_for(std::string(100, 'x'), 100ms);
        });
    }
}

TEST_CASE_FIXTURE(clean_virtual_threads,
                  "thread_pool: all work is over and gone at its end") {
    holds_everywhere(2, [] {
        std::atomic<int> calls = 0;
        std::vector<future<>> all;
        all.reserve(4);
        struct look {
            const std::atomic<int>& calls;
            const std::vector<future<>>& all;
            ~look() {
                if (calls != 0) std::terminate();
                for (const auto& f : all) {
                    if (!f.done()) std::terminate();
                }
            }
        } const at_end{calls, all};
        struct call {
            explicit call(std::atomic<int>& count) : count(count) { ++count; }
            call(const call& other) : call(other.count) {}
            ~call() { --count; }
            void operator()() const {}
            std::atomic<int>& count;
        };
        thread_pool pool({.threads = 1, .queue = 1});
        const companion other([&] {
            for (;;) {
                blocking(pool, call(calls));
                tendril::sleep(1s);
            }
        });
        for (int i = 0; i < 4; ++i) all.push_back(pool.submit(call(calls)));
        if (blocking(pool, [] { return std::string(100, 'x'); }).size() != 100) throw 1;
        pool.close();
    });
}

TEST_SUITE_END();
