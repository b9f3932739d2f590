// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/fiber.hpp>
#include <tendril/runtime/hub.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>
#include <tendril/runtime/timeout.hpp>
#include <tendril/sync/wait_queue.hpp>
#include <tendril/test/virtual_time.hpp>

#include <chrono>
#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "../support/clean_end.hpp"
#include "../support/errc_of.hpp"
#include "../support/hub_threads.hpp"
#include "../support/kill_everywhere.hpp"
#include "../support/other_thread.hpp"
#include <doctest/doctest.h>

using namespace std::chrono_literals;
using namespace tendril;
using test::clean_end;
using test::clean_end_of_threads;
using test::errc_of;
using test::virtual_time;

namespace {

// A line and its lock, and nothing else.
class line {
  public:
    bool wait(time_point deadline = never,
              bool carries = false,
              wait_queue::interrupts how = wait_queue::interrupts::thrown) {
        std::unique_lock held(lock_);
        wait_queue::place here("a test", carries, how);
        return queue_.wait(held, here, deadline);
    }

    bool carry() { return wait(never, true); }

    bool stay() { return wait(never, true, wait_queue::interrupts::held_back); }

    void wake_first() {
        wait_queue::taken_one woken;
        const std::lock_guard held(lock_);
        woken.set(queue_.take_first());
    }

    void wake_all() {
        wait_queue::taken woken;
        const std::lock_guard held(lock_);
        while (!queue_.empty()) woken.add(queue_.take_first());
    }

    std::size_t size() {
        const std::lock_guard held(lock_);
        CHECK(queue_.empty() == (queue_.size() == 0));
        return queue_.size();
    }

  private:
    wait_queue::lock lock_;
    wait_queue queue_;
};

// Fibers named a, b, c... in line; each appends its name when it gets through.
std::vector<fiber<>> in_line(line& l, std::string& through, int count) {
    std::vector<fiber<>> fibers;
    for (int i = 0; i < count; ++i) {
        fibers.push_back(spawn([&l, &through, name = static_cast<char>('a' + i)] {
            l.wait();
            through += name;
        }));
    }
    yield();
    return fibers;
}

}  // namespace

TEST_SUITE_BEGIN("sync/wait_queue");

TEST_CASE_FIXTURE(clean_end, "fibers leave the line in the order they came") {
    line l;
    std::string through;
    const auto fibers = in_line(l, through, 4);
    CHECK(l.size() == 4);
    l.wake_first();
    l.wake_first();
    CHECK(through.empty());
    CHECK(l.size() == 2);
    yield();
    CHECK(through == "ab");
    l.wake_all();
    yield();
    CHECK(through == "abcd");
    CHECK(l.size() == 0);
}

TEST_CASE_FIXTURE(clean_end, "one killed in line leaves, the others keep their order") {
    for (std::size_t victim = 0; victim < 5; ++victim) {
        line l;
        std::string through;
        const auto fibers = in_line(l, through, 5);
        fibers[victim].kill();
        CHECK(fibers[victim].done());
        CHECK(l.size() == 4);
        l.wake_all();
        yield();
        std::string others = "abcde";
        others.erase(victim, 1);
        CHECK(through == others);
    }
}

TEST_CASE_FIXTURE(clean_end, "one whose time is over leaves, at its deadline") {
    virtual_time time;
    line l;
    std::string through;
    auto late = spawn([&] { return l.wait(hub::current().now() + 3s); });
    const auto others = in_line(l, through, 2);
    CHECK(l.size() == 3);
    CHECK(!late.wait());
    CHECK(time.passed() == 3s);
    CHECK(l.size() == 2);
    l.wake_all();
    yield();
    CHECK(through == "ab");
}

TEST_CASE_FIXTURE(clean_end, "one woken before its deadline leaves no timer behind") {
    virtual_time time;
    line l;
    auto f = spawn([&] { return l.wait(hub::current().now() + 3s); });
    yield();
    CHECK(hub::current().armed_timers() == 1);
    l.wake_first();
    CHECK(f.wait());
    CHECK(hub::current().armed_timers() == 0);
    CHECK(time.passed() == 0s);
}

TEST_CASE_FIXTURE(clean_end, "a deadline that has passed ends the wait at once") {
    virtual_time time;
    line l;
    CHECK(!l.wait(hub::current().now()));
    CHECK(!l.wait(hub::current().now() - 1h));
    CHECK(time.passed() == 0s);
    CHECK(l.size() == 0);
}

TEST_CASE_FIXTURE(clean_end, "killed once woken, it goes on if that carries") {
    line l;
    std::string order;
    auto f = spawn([&] {
        CHECK(l.carry());
        order += "given ";
        yield();
        order += "not reached";
    });
    yield();
    l.wake_first();
    f.kill();
    CHECK(order.empty());
    f.join();
    CHECK(order == "given ");
    CHECK_THROWS_AS(f.wait(), greenlet_exit);
}

TEST_CASE_FIXTURE(clean_end, "killed once woken, it ends there if it does not") {
    line l;
    bool went_on = false;
    auto f = spawn([&] {
        l.wait();
        went_on = true;
    });
    yield();
    l.wake_first();
    f.kill();
    CHECK_THROWS_AS(f.wait(), greenlet_exit);
    CHECK(!went_on);
}

TEST_CASE_FIXTURE(clean_end, "a place that holds interrupts back stays in line") {
    virtual_time time;
    line l;
    std::string order;
    auto f = spawn([&] {
        const timeout limit(1s);
        CHECK(l.stay());
        order += "woken ";
        try {
            yield();
        } catch (const greenlet_exit&) {
            order += "killed ";
        }
        try {
            yield();
        } catch (const timed_out& e) {
            CHECK(e.from(limit));
            order += "out of time";
        }
    });
    yield();
    f.kill();
    tendril::sleep(2s);
    CHECK(l.size() == 1);
    l.wake_first();
    f.wait();
    CHECK(order == "woken killed out of time");
}

TEST_CASE_FIXTURE(clean_end, "in a hub callback there is no place in any line") {
    line l;
    std::optional<errc> got;
    hub::current().call_soon([&] { got = errc_of([&] { l.wait(); }); });
    yield();
    CHECK(got == errc::in_hub);
    CHECK(l.size() == 0);
}

TEST_CASE_FIXTURE(clean_end, "a fiber that is woken may destroy the line") {
    auto l = std::make_unique<line>();
    auto f = spawn([&] {
        l->wait();
        l.reset();
    });
    yield();
    l->wake_first();
    f.wait();
    CHECK(!l);
}

// The timer comes second in the turn in which the line is destroyed.
TEST_CASE_FIXTURE(clean_end, "the line may be gone before the deadline of one woken") {
    virtual_time time;
    auto l = std::make_unique<line>();
    const time_point at = hub::current().now() + 1s;
    hub::current().call_at(at, [&] {
        l->wake_first();
        l.reset();
    });
    auto f = spawn([&] { return l->wait(at); });
    CHECK(f.wait());
    CHECK(time.passed() == 1s);
}

TEST_CASE_FIXTURE(clean_end, "a fiber killed anywhere in line leaves no trace") {
    const int kills = test::kill_everywhere([](test::doomed& victim) {
        line l;
        std::string through;
        auto before = in_line(l, through, 2);
        auto v = victim.spawn([&] {
            for (int i = 0; i < 3; ++i) l.wait(hub::current().now() + 1s);
        });
        yield();
        auto after = in_line(l, through, 2);
        for (int i = 0; i < 3; ++i) {
            tendril::sleep(400ms);
            if (l.size() > 0) l.wake_first();
        }
        v.join();
        l.wake_all();
        yield();
        return through == "abab" && l.size() == 0;
    });
    CHECK(kills >= 3);
}

TEST_CASE_FIXTURE(clean_end_of_threads,
                  "two threads meet in one line, nobody is left") {
    constexpr int each = test::repetitions(20'000);
    line l;
    int through = 0;  // written only by whoever has been woken last
    test::on_threads(2, [&](int thread) {
        if (thread == 0) {
            for (int i = 0; i < each; ++i) {
                l.wait();
                ++through;
            }
        } else {
            for (int i = 0; i < each; ++i) {
                while (l.size() == 0) test::give_way();
                l.wake_first();
            }
        }
    });
    CHECK(through == each);
    CHECK(l.size() == 0);
}
