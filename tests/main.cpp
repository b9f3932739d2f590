// main.cpp - of every test executable. With TENDRIL_TEST_WATCHDOG in the environment,
// no case may block its hub; with TENDRIL_TEST_EINTR, a thousand signals a second
// interrupt what the cases do. With TENDRIL_TEST_TWICE all cases run twice,
// and more often, up to five times, while each time leaves more mappings or stacks than
// the one before; the last may not.
//
// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/detail/stack_range.hpp>
#include <tendril/runtime/watchdog.hpp>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <optional>

#include "support/process_memory.hpp"
#include "support/signal_storm.hpp"
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

namespace {

// Of the range of stacks how much is taken: which parts, and so how many mappings they
// are, depends on which thread asked first.
struct left_over {
    long mappings;
    std::size_t stacks;
};

left_over left_now() {
    const auto stacks = tendril::detail::stack_memory_now();
    return {tendril::test::mappings_outside(stacks.begin, stacks.end), stacks.taken};
}

// What is lost is lost each time; a thread that a pool makes for good, when more calls
// block at once than ever before, is not made again.
int run_twice(doctest::Context& cases) {
    constexpr int most_times = 5;
    if (const int result = cases.run(); result != 0) return result;
    left_over before = left_now();
    for (int times = 2; times <= most_times; ++times) {
        if (const int result = cases.run(); result != 0) return result;
        const left_over now = left_now();
        std::printf("mappings: %ld, and then %ld\n", before.mappings, now.mappings);
        std::printf("bytes of stacks: %zu, and then %zu\n", before.stacks, now.stacks);
        if (now.mappings <= before.mappings && now.stacks <= before.stacks) return 0;
        before = now;
    }
    std::cout << std::ifstream("/proc/self/maps").rdbuf();
    return 1;
}

}  // namespace

int main(int argc, char** argv) {
    std::atomic<int> blocked{0};
    std::optional<tendril::watchdog> dog;
    if (std::getenv("TENDRIL_TEST_WATCHDOG") != nullptr) {
        dog.emplace(
            tendril::watchdog_options{.report = [&](const tendril::blockage& b) {
                ++blocked;
                std::fputs(b.text.c_str(), stderr);
            }});
    }
    std::optional<tendril::test::signal_storm> storm;
    if (std::getenv("TENDRIL_TEST_EINTR") != nullptr) storm.emplace();
    doctest::Context cases(argc, argv);
    const bool twice = std::getenv("TENDRIL_TEST_TWICE") != nullptr;
    const int result = twice ? run_twice(cases) : cases.run();
    dog.reset();
    if (storm) std::printf("signals handled: %ld\n", storm->handled());
    return blocked > 0 ? 1 : result;
}
