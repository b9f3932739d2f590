// Two processes for calls that compute, and what becomes of a call that crashes:
// ProcessPoolExecutor.
//
// usage: process_pool [--once]
//
// SPDX-License-Identifier: BSL-1.0
#include <tendril/tendril.hpp>

#include <cstdio>
#include <cstdlib>
#include <vector>

#include <unistd.h>

namespace {

void cpu_bound_operation(int milliseconds) {
    std::puts("cpu bounding");
    usleep(static_cast<useconds_t>(milliseconds) * 1000);
}

tendril::future<> func(tendril::process_pool& pool) {
    auto f = pool.submit(cpu_bound_operation, 20);
    std::puts("doing something thing");
    return f;
}

}  // namespace

int main() {
    // The workers write to it, too.
    std::setvbuf(stdout, nullptr, _IOLBF, BUFSIZ);
    tendril::process_pool pool({.processes = 2});

    std::vector<tendril::future<>> all;
    all.reserve(3);
    for (int i = 0; i < 3; ++i) all.push_back(func(pool));
    for (const auto& f : all) f.wait();

    try {
        pool.submit(&std::abort).wait();
    } catch (const tendril::worker_died& e) {
        std::printf("%s\n", e.what());
    }
    const int sum = pool.submit(
                            +[](int a, int b) { return a + b; }, 40, 2)
                        .wait();
    std::printf("and the pool goes on: %d\n", sum);
}
