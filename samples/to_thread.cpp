// Calls that block, in threads: the fibers that wait for them leave the hub to others.
//
// usage: to_thread [--once]     --once: a second is over in ten milliseconds
//
// SPDX-License-Identifier: BSL-1.0
#include <tendril/tendril.hpp>

#include <chrono>
#include <cstdio>
#include <string_view>
#include <thread>

namespace {

tendril::duration second = std::chrono::seconds(1);

std::thread::id synchronous_blocking_operation() {
    std::this_thread::sleep_for(2 * second);
    return std::this_thread::get_id();
}

}  // namespace

int main(int argc, char** argv) {
    if (argc > 1 && std::string_view(argv[1]) == "--once") second /= 100;
    tendril::run([] {
        int ticks = 0;
        const auto ticking = tendril::spawn([&] {
            for (;; ++ticks) tendril::sleep(second / 10);
        });
        const auto in_thread = [] {
            return tendril::blocking(synchronous_blocking_operation);
        };
        const auto [one, two] = tendril::gather(in_thread, in_thread);
        ticking.kill();
        const auto own = std::this_thread::get_id();
        std::printf("both ran elsewhere: %s\n",
                    one != own && two != own ? "yes" : "no");
        std::printf("and at once: %s\n", one != two ? "yes" : "no");
        std::printf("others ran meanwhile: %s\n", ticks > 0 ? "yes" : "no");
    });
}
