// A pool of two threads of one's own, for calls that block.
//
// usage: run_in_executor [--once]     --once: a second is over in ten milliseconds
//
// SPDX-License-Identifier: BSL-1.0
#include <tendril/tendril.hpp>

#include <chrono>
#include <cstdio>
#include <string_view>
#include <thread>

namespace {

tendril::duration second = std::chrono::seconds(1);

int synchronous_blocking_operation(int seconds) {
    std::this_thread::sleep_for(seconds * second);
    return seconds;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc > 1 && std::string_view(argv[1]) == "--once") second /= 100;
    tendril::run([] {
        tendril::thread_pool pool({.threads = 2});
        const auto f1 = pool.submit(synchronous_blocking_operation, 1);
        const auto f2 = pool.submit(synchronous_blocking_operation, 2);
        const auto [one, two] = tendril::gather(f1, f2);
        std::printf("%d and %d, by %zu threads\n", one, two, pool.threads());
    });
}
