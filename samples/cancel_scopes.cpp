// Work with a limit, work that somebody else ends, and clean-up that is not cut short.
//
// usage: cancel_scopes [--once]
//
// SPDX-License-Identifier: BSL-1.0
#include <tendril/tendril.hpp>

#include <chrono>
#include <cstdio>

using namespace std::chrono_literals;

namespace {

// Takes too long, and says goodbye properly all the same.
void talk() {
    try {
        tendril::sleep(1h);
    } catch (...) {
        const bool polite = tendril::shield(1s, [] {
            tendril::sleep(5ms);
            std::printf("  goodbye was said\n");
        });
        if (!polite) std::printf("  no time for goodbye\n");
        throw;
    }
}

}  // namespace

int main() {
    std::printf("a limit:\n");
    const bool done = tendril::move_on_after(20ms, talk);
    std::printf("  %s\n", done ? "done" : "moved on");

    std::printf("a limit that is an error:\n");
    try {
        tendril::fail_after(10ms, [] { tendril::sleep(1h); });
    } catch (const tendril::deadline_exceeded& e) {
        std::printf("  %s\n", e.what());
    }

    std::printf("ended by another fiber, and every wait after that:\n");
    tendril::cancel_scope scope;
    tendril::spawn_after(10ms, [&] { scope.cancel(); });
    int waits = 0;
    scope.run([&] {
        for (; waits < 3; ++waits) {
            try {
                tendril::sleep(1h);
            } catch (const tendril::cancelled&) {
                // Whoever swallows it does not get far: the next wait throws, too.
            }
        }
    });
    std::printf("  %d waits, cancelled %s\n", waits,
                scope.cancel_called() ? "yes" : "no");
    return !done && waits == 3 ? 0 : 1;
}
