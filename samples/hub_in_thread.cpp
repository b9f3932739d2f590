// A hub in a thread of its own, which main sends work to while it does other things.
//
// usage: hub_in_thread [--once]
//
// SPDX-License-Identifier: BSL-1.0
#include <tendril/tendril.hpp>

#include <chrono>
#include <cstdio>

using namespace std::chrono_literals;

int main() {
    tendril::hub_thread background({.name = "background"});
    tendril::flag window_drawn;

    const auto answer = background.spawn([&] {
        window_drawn.wait();  // of another thread; only this fiber waits
        std::printf("async thing ...\n");
        tendril::sleep(1ms);
        return 42;
    });
    std::printf("other thing ...\n");
    window_drawn.set();
    std::printf("the answer is %d\n", answer.wait());

    const auto endless = background.spawn([] { tendril::sleep(tendril::forever); });
    background.stop();
    background.join();
    std::printf("stopped, with what was left there %s\n",
                endless.done() ? "ended" : "going on");
}
