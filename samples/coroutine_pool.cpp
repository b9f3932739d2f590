// A pool of fibers in a thread of their own: so many tasks at a time, and a limit for
// what is left when it closes.
//
// usage: coroutine_pool [--once]
//
// SPDX-License-Identifier: BSL-1.0
#include <tendril/tendril.hpp>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <stdexcept>
#include <vector>

using namespace std::chrono_literals;

namespace {

// Of the pool's thread, as are the tasks.
int running = 0, most = 0;

int square(int n) {
    most = std::max(most, ++running);
    tendril::sleep(1ms);
    --running;
    if (n == 4) throw std::runtime_error("no square of 4 today");
    return n * n;
}

}  // namespace

int main() {
    tendril::fiber_pool pool(2);
    pool.start();

    std::vector<tendril::future<int>> squares;
    for (int n = 1; n <= 6; ++n) squares.push_back(pool.submit(square, n));
    for (const auto& s : squares) {
        try {
            std::printf("%d\n", s.wait());
        } catch (const std::runtime_error& e) {
            std::printf("%s\n", e.what());
        }
    }
    std::printf("%d at a time\n", most);

    tendril::flag begun;
    pool.submit([&] {
        begun.set();
        try {
            tendril::sleep(tendril::forever);
        } catch (const tendril::greenlet_exit&) {
            std::printf("a task that takes for ever is killed\n");
            throw;
        }
    });
    begun.wait();
    const bool all_ended = pool.close_for(10ms);
    std::printf("closed, %s\n", all_ended ? "all done" : "not all done");
    try {
        pool.submit(square, 7);
    } catch (const tendril::fiber_error& e) {
        std::printf("%s\n", e.what());
    }
}
