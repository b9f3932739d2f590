// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/timer_queue.hpp>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <limits>
#include <map>
#include <random>
#include <utility>
#include <vector>

#include "../support/clean_end.hpp"
#include <doctest/doctest.h>

using namespace std::chrono_literals;
using namespace tendril;
using detail::timer_node;
using detail::timer_queue;
using test::clean_end;

TEST_SUITE_BEGIN("runtime/timer_queue");

namespace {

constexpr std::uint64_t no_limit = std::numeric_limits<std::uint64_t>::max();

time_point at(std::int64_t tick) {
    return time_point(duration(tick));
}

// The same queue, made of a std::multimap: equal deadlines in the order armed.
class oracle {
  public:
    void arm(timer_node& t, time_point deadline) {
        places_[&t] = order_.emplace(deadline, &t);
    }

    void disarm(timer_node& t) {
        order_.erase(places_.at(&t));
        places_.erase(&t);
    }

    bool armed(timer_node& t) const { return places_.contains(&t); }

    bool empty() const { return order_.empty(); }

    std::size_t size() const { return order_.size(); }

    std::pair<time_point, timer_node*> first() const { return *order_.begin(); }

  private:
    using line = std::multimap<time_point, timer_node*>;

    line order_;
    std::map<timer_node*, line::iterator> places_;
};

}  // namespace

TEST_CASE_FIXTURE(clean_end, "equal deadlines come out in the order they were armed") {
    timer_queue q;
    std::deque<timer_node> timers(100);
    for (timer_node& t : timers) q.arm(t, at(7));
    for (timer_node& t : timers) CHECK(q.take_due(at(7), no_limit) == &t);
    CHECK(q.empty());
}

TEST_CASE_FIXTURE(clean_end, "nothing is due before its deadline") {
    timer_queue q;
    timer_node t;
    q.arm(t, at(10));
    CHECK(q.next() == at(10));
    CHECK(q.take_due(at(9), no_limit) == nullptr);
    CHECK(t.armed());
    CHECK(q.take_due(at(10), no_limit) == &t);
    CHECK_FALSE(t.armed());
    CHECK(q.take_due(at(10), no_limit) == nullptr);
}

TEST_CASE_FIXTURE(clean_end,
                  "a timer armed after the limit is left for the next turn") {
    timer_queue q;
    timer_node first, second;
    q.arm(first, at(1));
    const std::uint64_t limit = q.newest();
    CHECK(q.take_due(at(5), limit) == &first);
    q.arm(second, at(1));
    CHECK(q.take_due(at(5), limit) == nullptr);
    CHECK(q.take_due(at(5), q.newest()) == &second);
}

TEST_CASE_FIXTURE(clean_end,
                  "a disarmed timer may be armed again, and disarmed twice") {
    timer_queue q;
    timer_node t;
    q.disarm(t);
    q.arm(t, at(1));
    q.disarm(t);
    q.disarm(t);
    CHECK(q.empty());
    q.arm(t, at(2));
    CHECK(q.next() == at(2));
    CHECK(q.take_due(at(2), no_limit) == &t);
}

TEST_CASE_FIXTURE(
    clean_end, "100,000 timers, armed and cancelled at random, fire as a multimap's") {
    std::mt19937 random(20260806);  // NOLINT(cert-msc51-cpp): the same every time
    timer_queue q;
    oracle expected;
    std::vector<timer_node> timers(100'000);
    // Few different deadlines, so that there are many ties.
    auto deadline = [&] { return at(static_cast<std::int64_t>(random() % 5000)); };
    for (timer_node& t : timers) {
        const time_point d = deadline();
        q.arm(t, d);
        expected.arm(t, d);
    }
    std::size_t mismatches = 0;
    for (int step = 0; step < 150'000; ++step) {
        timer_node& t = timers[random() % timers.size()];
        const bool was_armed = expected.armed(t);
        mismatches += was_armed != t.armed();
        if (was_armed) {
            q.disarm(t);
            expected.disarm(t);
        } else if (step % 3 == 0) {
            const time_point d = deadline();
            q.arm(t, d);
            expected.arm(t, d);
        }
        mismatches += q.size() != expected.size();
        mismatches += q.next() != expected.first().first;
    }
    while (!expected.empty()) {
        const auto [when, timer] = expected.first();
        mismatches += q.take_due(when - 1ns, no_limit) != nullptr;
        mismatches += q.take_due(when, no_limit) != timer;
        mismatches += timer->armed();
        expected.disarm(*timer);
    }
    CHECK(mismatches == 0);
    CHECK(q.empty());
}

TEST_CASE_FIXTURE(clean_end,
                  "the timer armed last is cancelled without moving another") {
    timer_queue q;
    std::vector<timer_node> timers(1000);
    std::int64_t tick = 0;
    for (timer_node& t : timers) q.arm(t, at(++tick));
    std::vector<std::size_t> places;
    for (const timer_node& t : timers) places.push_back(t.index);
    timer_node limit;
    q.arm(limit, at(++tick));
    q.disarm(limit);
    std::vector<std::size_t> places_after;
    for (const timer_node& t : timers) places_after.push_back(t.index);
    CHECK(places == places_after);
}

TEST_SUITE_END();
