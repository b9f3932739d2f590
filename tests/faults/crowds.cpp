// crowds.cpp - two hubs with a crowd of fibers each, all at one primitive: what it
// guards is exact at the end, and everybody comes to the end.
//
//     crowds PRIMITIVE N      N operations in all; --list names the primitives
//
// What a primitive guards is no atomic: ThreadSanitizer tells of a hand-over that is
// none. A wake that is lost is a hang, and one too many a count that is wrong.
//
// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/clock.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>
#include <tendril/sync/barrier.hpp>
#include <tendril/sync/bounded_semaphore.hpp>
#include <tendril/sync/capped_semaphore.hpp>
#include <tendril/sync/channel.hpp>
#include <tendril/sync/condition_variable.hpp>
#include <tendril/sync/event.hpp>
#include <tendril/sync/flag.hpp>
#include <tendril/sync/latch.hpp>
#include <tendril/sync/lifo_queue.hpp>
#include <tendril/sync/mutex.hpp>
#include <tendril/sync/priority_queue.hpp>
#include <tendril/sync/queue.hpp>
#include <tendril/sync/recursive_mutex.hpp>
#include <tendril/sync/resource_pool.hpp>
#include <tendril/sync/select.hpp>
#include <tendril/sync/semaphore.hpp>
#include <tendril/sync/shared_mutex.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <iterator>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <string_view>
#include <vector>

#include "../support/hub_threads.hpp"

using namespace std::chrono_literals;
using namespace tendril;

namespace {

constexpr long each = 16;         // fibers of a thread
constexpr long crowd = 2 * each;  // of both

// f(0) ... f(crowd - 1), every other one on the other thread.
template <class F>
void at_once(F f) {
    test::on_threads(2, [&](int thread) {
        std::vector<fiber<>> all;
        for (long i = 0; i < each; ++i) {
            all.push_back(spawn([&f, number = 2 * i + thread] { f(number); }));
        }
        for (const auto& one : all) one.wait();
    });
}

// Now and then whoever is inside lets the others come to stand in line.
void now_and_then(long i) {
    if (i % 64 == 0) yield();
}

// -- what one at a time may hold

template <class Lock>
bool one_at_a_time(long n) {
    Lock lock;
    long held = 0;
    at_once([&](long) {
        for (long i = 0; i < n / crowd; ++i) {
            const std::lock_guard here(lock);
            const long before = held;
            now_and_then(i);
            held = before + 1;
        }
    });
    return held == n / crowd * crowd;
}

// Those whose patience is at its end come back, when those who hold it have had a turn.
bool impatient(long n) {
    mutex lock;
    long held = 0;
    at_once([&](long number) {
        for (long i = 0; i < n / crowd; ++i) {
            const std::chrono::microseconds patience(20 * number);
            while (!lock.try_lock_for(patience)) yield();
            const std::lock_guard here(lock, std::adopt_lock);
            const long before = held;
            now_and_then(i);
            held = before + 1;
        }
    });
    return held == n / crowd * crowd;
}

bool readers_and_writers(long n) {
    shared_mutex lock;
    long here = 0, there = 0;
    std::atomic<long> torn{0};
    at_once([&](long) {
        for (long i = 0; i < n / crowd; ++i) {
            if (i % 8 == 0) {
                const std::lock_guard writing(lock);
                ++here;
                now_and_then(i);
                ++there;
            } else {
                const std::shared_lock reading(lock);
                const long before = here;
                now_and_then(i);
                if (there != before) ++torn;
            }
        }
    });
    return torn == 0 && here == there && here == (n / crowd + 7) / 8 * crowd;
}

// -- tokens

// Never more than three hold one.
template <class Tokens>
bool tokens(long n) {
    Tokens three(3);
    std::atomic<long> holders{0}, most{0};
    at_once([&](long number) {
        for (long i = 0; i < n / crowd; ++i) {
            if (i % 8 == 0) {
                while (!three.try_acquire_for(std::chrono::microseconds(number))) {
                    yield();
                }
            } else {
                three.acquire();
            }
            const long now = ++holders;
            if (now > most) most = now;
            now_and_then(i);
            --holders;
            three.release();
        }
    });
    return most <= 3 && three.balance() == 3;
}

// Half of them give what the others take, and there is room for three.
bool capped(long n) {
    capped_semaphore few(0, 3);
    at_once([&](long number) {
        for (long i = 0; i < n / crowd; ++i)
            number % 4 < 2 ? few.release() : few.acquire();
    });
    return few.balance() == -3;  // none, and room for three
}

bool resources(long n) {
    std::atomic<long> made{0};
    resource_pool<std::unique_ptr<long>> three(
        [&] {
            ++made;
            return std::make_unique<long>(0);
        },
        {.max = 3});
    at_once([&](long) {
        for (long i = 0; i < n / crowd; ++i) {
            const auto mine = three.get();
            const long before = **mine;
            now_and_then(i);
            **mine = before + 1;
        }
    });
    long used = 0;
    run([&] {
        const auto a = three.get(), b = three.get(), c = three.get();
        used = **a + **b + **c;
    });
    return made == 3 && used == n / crowd * crowd;
}

// -- news

// A cell that half of them fill and the others empty, with a condition for each.
bool conditions(long n) {
    mutex lock;
    condition_variable filled, emptied;
    long in_cell = 0, filled_in_all = 0;
    at_once([&](long number) {
        for (long i = 0; i < n / crowd; ++i) {
            std::unique_lock held(lock);
            if (number % 4 < 2) {
                emptied.wait(held, [&] { return in_cell < 8; });
                ++in_cell;
                ++filled_in_all;
                filled.notify_one();
            } else {
                filled.wait(held, [&] { return in_cell > 0; });
                --in_cell;
                emptied.notify_one();
            }
        }
    });
    return in_cell == 0 && filled_in_all == n / crowd * (crowd / 2);
}

// Each round has news of its own, which one sends and the others wait for.
template <class News, class Send, class Wait>
bool rounds(long n, Send send, Wait wait) {
    struct round {
        News news;
        long told = 0;
    };

    std::vector<std::unique_ptr<round>> all(static_cast<std::size_t>(n / crowd));
    for (auto& one : all) one = std::make_unique<round>();
    std::atomic<long> wrong{0};
    at_once([&](long number) {
        for (std::size_t i = 0; i < all.size(); ++i) {
            round& here = *all[i];
            if (static_cast<long>(i) % crowd == number) {
                ++here.told;
                send(here.news);
            } else {
                wait(here.news);
                if (here.told != 1) ++wrong;
            }
        }
    });
    return wrong == 0;
}

bool flags(long n) {
    return rounds<flag>(
        n, [](flag& f) { f.set(); }, [](flag& f) { f.wait(); });
}

bool events(long n) {
    return rounds<event<>>(
        n, [](event<>& e) { e.send(); }, [](event<>& e) { e.wait(); });
}

struct latch_of_one : latch {
    latch_of_one() : latch(1) {}
};

bool latches(long n) {
    return rounds<latch_of_one>(
        n, [](latch& l) { l.count_down(); }, [](latch& l) { l.wait(); });
}

bool barriers(long n) {
    long round = 0;
    std::atomic<long> wrong{0};
    barrier all(crowd, [&] { ++round; });
    at_once([&](long) {
        for (long i = 0; i < n / crowd; ++i) {
            all.arrive_and_wait();
            // The next one is not over without this fiber.
            if (round != i + 1) ++wrong;
        }
    });
    return wrong == 0;
}

// -- items

// Half of them put what the others get: 0, 1, ... of each who puts.
template <class Queue>
bool items(long n, Queue& q) {
    std::array<long, crowd> sums{};
    at_once([&](long number) {
        long& sum = sums[static_cast<std::size_t>(number)];
        for (long i = 0; i < n / crowd; ++i) {
            if (number % 4 < 2) {
                q.put(i);
                sum += i;
            } else if (i % 8 == 0) {
                std::optional<long> item;
                while (!(item = q.get_for(std::chrono::microseconds(number)))) yield();
                sum -= *item;
            } else {
                sum -= q.get();
            }
        }
    });
    long left = 0;
    for (const long sum : sums) left += sum;
    return left == 0 && q.size() == 0;
}

template <class Queue>
bool items_through(long n, std::size_t capacity) {
    Queue q(capacity);
    return items(n, q);
}

bool rendezvous(long n) {
    return items_through<queue<long>>(n, 0);
}

bool queues(long n) {
    return items_through<queue<long>>(n, 64);
}

bool lifo_queues(long n) {
    return items_through<lifo_queue<long>>(n, 8);
}

bool priority_queues(long n) {
    return items_through<priority_queue<long>>(n, 8);
}

// The receivers end when the last sender has gone.
bool channels(long n) {
    auto ends = make_channel<long>(8);
    std::array<std::optional<sender<long>>, crowd> to;
    std::array<std::optional<receiver<long>>, crowd> from;
    for (std::size_t i = 0; i < crowd; ++i) {
        if (i % 4 < 2) {
            to[i] = ends.to;
        } else {
            from[i] = ends.from;
        }
    }
    ends = {};
    std::array<long, crowd> sums{};
    at_once([&](long number) {
        const auto me = static_cast<std::size_t>(number);
        if (to[me]) {
            for (long i = 0; i < n / (crowd / 2); ++i) to[me]->send(1);
            to[me].reset();
        } else {
            for (const long item : *from[me]) sums[me] += item;
        }
    });
    long received = 0;
    for (const long sum : sums) received += sum;
    return received == n / (crowd / 2) * (crowd / 2);
}

// Half of them send to whichever of two channels will have it, the others receive from
// whichever has something.
bool selects(long n) {
    auto red = make_channel<long>(), blue = make_channel<long>(2);
    std::array<long, crowd> sums{};
    at_once([&](long number) {
        long& sum = sums[static_cast<std::size_t>(number)];
        const auto receive = [&](long item) { sum -= item; };
        for (long i = 0; i < n / crowd; ++i) {
            if (number % 4 < 2) {
                long item = i;
                const auto sent = [&] { sum += i; };
                select(on_send(red.to, item, sent), on_send(blue.to, item, sent));
            } else {
                select(on_receive(red.from, receive), on_receive(blue.from, receive));
            }
        }
    });
    long left = 0;
    for (const long sum : sums) left += sum;
    return left == 0;
}

struct primitive {
    std::string_view name;
    bool (*exact)(long n);
};

constexpr primitive all[] = {
    {"mutex", one_at_a_time<mutex>},
    {"mutex_with_limits", impatient},
    {"recursive_mutex", one_at_a_time<recursive_mutex>},
    {"shared_mutex", readers_and_writers},
    {"semaphore", tokens<semaphore>},
    {"bounded_semaphore", tokens<bounded_semaphore>},
    {"capped_semaphore", capped},
    {"resource_pool", resources},
    {"condition_variable", conditions},
    {"flag", flags},
    {"event", events},
    {"latch", latches},
    {"barrier", barriers},
    {"rendezvous", rendezvous},
    {"queue", queues},
    {"lifo_queue", lifo_queues},
    {"priority_queue", priority_queues},
    {"channel", channels},
    {"select", selects},
};

}  // namespace

int main(int argc, char** argv) {
    const std::string_view what = argc > 1 ? argv[1] : "--list";
    const long n = argc > 2 ? std::strtol(argv[2], nullptr, 10) : 100'000;
    bool known = what == "--list";
    for (const primitive& p : all) {
        if (what == "--list") std::printf("%s\n", p.name.data());
        if (p.name != what) continue;
        known = true;
        const time_point begin = clock::now();
        const bool exact = p.exact(n);
        const std::chrono::duration<double> took = clock::now() - begin;
        std::printf(
            "%s: %ld operations by %ld fibers of two threads, %s, %.0f a second\n",
            p.name.data(), n, crowd, exact ? "exact" : "WRONG",
            static_cast<double>(n) / took.count());
        if (!exact) return 1;
    }
    return known ? 0 : 2;
}
