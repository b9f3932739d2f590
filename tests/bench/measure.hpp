// measure.hpp - the main() of one system: runs named work and prints nanoseconds per
// operation, one line each, `name value ns` with tabs between.
//
//   PROGRAM --list              the names
//   PROGRAM NAME...             each warmed up, then timed over about 100 ms
//   PROGRAM NAME --count N      N operations, once, not warmed up: for callgrind
//   PROGRAM [NAME...] --quick   a few operations each, to see that they run
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace bench {

// Processor time where nobody waits: what other programs take of the machine is not
// ours then. By the clock where threads wait for each other.
enum class by { processor, clock };

// Work that has something to prepare starts and stops the watch itself; the rest is
// timed as a whole.
class stopwatch {
  public:
    explicit stopwatch(by what)
        : clock_(what == by::clock ? CLOCK_MONOTONIC : CLOCK_PROCESS_CPUTIME_ID) {}

    void start() { begin_ = now(); }

    void stop() { passed_ = now() - begin_; }

    double nanoseconds() const { return passed_; }

  private:
    double now() const {
        timespec t{};
        clock_gettime(clock_, &t);
        return static_cast<double>(t.tv_sec) * 1e9 + static_cast<double>(t.tv_nsec);
    }

    clockid_t clock_;
    double begin_ = 0;
    double passed_ = 0;
};

struct work {
    std::string_view name;
    // REQUIRES  n is a multiple of `batch`.
    void (*run)(std::uint64_t n, stopwatch& watch);
    by time = by::processor;
};

inline constexpr std::uint64_t batch = 1000;

// What makes a benchmark worthless when it is false.
inline void require(bool held, const char* what) {
    if (!held) throw std::runtime_error(what);
}

inline double time_of(const work& w, std::uint64_t n) {
    stopwatch watch(w.time);
    watch.start();
    w.run(n, watch);
    return watch.nanoseconds();
}

inline void run_and_print(const work& w, std::uint64_t count) {
    constexpr double enough_to_judge = 20e6, to_measure = 100e6;
    std::uint64_t n = count;
    double ns = time_of(w, std::max(n, batch));
    if (count == 0) {
        // The search for the right number of operations is the warm-up, too.
        for (n = batch; (ns = time_of(w, n)) < enough_to_judge;) n *= 2;
        const double times = to_measure / ns;
        n = std::max<std::uint64_t>(
                1, static_cast<std::uint64_t>(static_cast<double>(n / batch) * times)) *
            batch;
        ns = time_of(w, n);
    }
    std::printf("%.*s\t%.3f\tns\n", static_cast<int>(w.name.size()), w.name.data(),
                ns / static_cast<double>(n));
}

inline int run_main(int argc, char** argv, std::span<const work> all) {
    std::vector<std::string_view> names;
    std::uint64_t count = 0;
    for (int i = 1; i < argc; ++i) {
        const std::string_view arg = argv[i];
        if (arg == "--list") {
            for (const work& w : all) std::printf("%s\n", std::string(w.name).c_str());
            return 0;
        } else if (arg == "--quick") {
            count = 2 * batch;
        } else if (arg == "--count" && i + 1 < argc) {
            count = std::strtoull(argv[++i], nullptr, 10) / batch * batch;
        } else {
            names.push_back(arg);
        }
    }
    for (const std::string_view name : names) {
        const bool known = std::any_of(all.begin(), all.end(),
                                       [&](const work& w) { return w.name == name; });
        if (known) continue;
        std::fprintf(stderr, "%s: no work named '%s'; try --list\n", argv[0],
                     std::string(name).c_str());
        return 2;
    }
    try {
        for (const work& w : all) {
            const bool chosen = names.empty() || std::find(names.begin(), names.end(),
                                                           w.name) != names.end();
            if (chosen) run_and_print(w, count);
        }
    } catch (const std::exception& e) {
        std::fprintf(stderr, "%s: %s\n", argv[0], e.what());
        return 1;
    }
    return 0;
}

}  // namespace bench
