// Two workers that are waited for: called one after the other, and as fibers, which
// both run from the first wait on.
//
// usage: order_of_lines [--once]     --once: a second is over in ten milliseconds
//
// SPDX-License-Identifier: BSL-1.0
#include <tendril/tendril.hpp>

#include <chrono>
#include <cstdio>
#include <string_view>

namespace {

tendril::duration second = std::chrono::seconds(1);

void worker_1() {
    std::puts("worker_1 start");
    tendril::sleep(second);
    std::puts("worker_1 done");
}

void worker_2() {
    std::puts("worker_2 start");
    tendril::sleep(2 * second);
    std::puts("worker_2 done");
}

void called() {
    std::puts("before await");
    worker_1();
    std::puts("awaited worker_1");
    worker_2();
    std::puts("awaited worker_2");
}

void spawned() {
    const auto task_1 = tendril::spawn(worker_1);
    const auto task_2 = tendril::spawn(worker_2);
    std::puts("before await");
    task_1.wait();
    std::puts("awaited worker_1");
    task_2.wait();
    std::puts("awaited worker_2");
}

}  // namespace

int main(int argc, char** argv) {
    if (argc > 1 && std::string_view(argv[1]) == "--once") second /= 100;
    std::setvbuf(stdout, nullptr, _IOLBF, BUFSIZ);
    tendril::run(called);
    std::puts("--");
    tendril::run(spawned);
}
