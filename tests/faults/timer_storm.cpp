// timer_storm.cpp - a great many timers at once: they fire by deadline, ties as armed.
//
//     timer_storm same N         all at one time
//     timer_storm random N       within 50 ms, in microseconds
//     timer_storm cancelled N    the same, and 99 of 100 are cancelled before
//
// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/clock.hpp>
#include <tendril/runtime/hub.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string_view>
#include <utility>
#include <vector>

#include <malloc.h>

using namespace std::chrono_literals;
using namespace tendril;

namespace {

double nanoseconds(duration d, std::size_t n) {
    return static_cast<double>(d.count()) / static_cast<double>(n);
}

std::size_t allocated() {
    const struct mallinfo2 all = mallinfo2();
    return all.uordblks + all.hblkhd;
}

// A fiber that yields all the time: the longest it had to wait for its turn.
class onlooker {
  public:
    duration end() {
        over_ = true;
        looks_.wait();
        return longest_;
    }

  private:
    bool over_ = false;
    duration longest_{};
    fiber<> looks_ = spawn([this] {
        for (time_point last = clock::now(); !over_;) {
            yield();
            const time_point now = clock::now();
            longest_ = std::max(longest_, now - std::exchange(last, now));
        }
    });
};

struct storm {
    bool random_deadlines = false;
    bool cancelled = false;

    bool run(std::size_t n) const {
        hub& h = hub::current();
        std::mt19937 random(1);
        std::vector<std::size_t> fired, expected;
        std::vector<time_point> deadlines(n);
        std::vector<timer> timers;
        fired.reserve(n);
        timers.reserve(n);
        // Nothing is due before all are armed.
        const time_point begin = clock::now() + 3s;
        for (time_point& d : deadlines) {
            const long offset =
                random_deadlines ? static_cast<long>(random() % 50'000) : 0;
            d = begin + offset * 1us;
        }

        const std::size_t heap = allocated();
        const time_point arming = clock::now();
        for (std::size_t i = 0; i < n; ++i) {
            timers.push_back(
                h.call_at(deadlines[i], [&fired, i] { fired.push_back(i); }));
        }
        const duration armed = clock::now() - arming;
        const double bytes =
            static_cast<double>(allocated() - heap) / static_cast<double>(n);

        std::vector<std::size_t> order(n);
        for (std::size_t i = 0; i < n; ++i) order[i] = i;
        std::shuffle(order.begin(), order.end(), random);
        const std::size_t victims = cancelled ? n - n / 100 : 0;
        const time_point cancelling = clock::now();
        std::size_t stopped = 0;
        for (std::size_t i = 0; i < victims; ++i) stopped += timers[order[i]].cancel();
        const duration took = clock::now() - cancelling;

        expected.assign(order.begin() + static_cast<std::ptrdiff_t>(victims),
                        order.end());
        std::sort(expected.begin(), expected.end(), [&](std::size_t a, std::size_t b) {
            return std::pair(deadlines[a], a) < std::pair(deadlines[b], b);
        });
        if (clock::now() > begin) return false;
        onlooker other;
        tendril::sleep_until(begin + 51ms);
        const duration gap = other.end();
        std::printf(
            "%zu timers: arming %.0f ns, cancelling %.0f ns, %.0f bytes each; "
            "fired %zu, %s; others waited %.0f ms at most\n",
            n, nanoseconds(armed, n), victims > 0 ? nanoseconds(took, victims) : 0.0,
            bytes, fired.size(), fired == expected ? "in order" : "NOT in order",
            static_cast<double>(gap.count()) / 1e6);
        return fired == expected && stopped == victims && h.armed_timers() == 0 &&
               bytes <= 192 && gap < 100ms;
    }
};

}  // namespace

int main(int argc, char** argv) {
    const std::string_view what = argc > 1 ? argv[1] : "";
    const std::size_t n = argc > 2 ? std::strtoul(argv[2], nullptr, 10) : 10'000;
    const storm s{.random_deadlines = what != "same", .cancelled = what == "cancelled"};
    return s.run(n) ? 0 : 1;
}
