// A thread needs nothing to have a hub: it is there with the first call that wants it.
//
// usage: hub_in_any_thread [--once]     --once: a second is over in ten milliseconds
//
// SPDX-License-Identifier: BSL-1.0
#include <tendril/tendril.hpp>

#include <chrono>
#include <cstdio>
#include <string_view>
#include <thread>

namespace {

tendril::duration second = std::chrono::seconds(1);

void loop() {
    std::puts("thread LoopThread is running...");
    auto hello = tendril::spawn([] {
        std::puts("Hello world!");
        tendril::sleep(second);
        std::puts("Hello again!");
    });
    hello.wait();
    std::puts("thread LoopThread ended.");
}

}  // namespace

int main(int argc, char** argv) {
    if (argc > 1 && std::string_view(argv[1]) == "--once") second /= 100;
    std::puts("thread MainThread is running...");
    std::thread(loop).join();
    std::puts("thread MainThread ended.");
}
