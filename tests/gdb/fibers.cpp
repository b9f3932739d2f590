// fibers.cpp - fibers in the states that a debugger is to show; ends by itself, or,
// with an argument, dies in the midst of them.
//
// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/hub.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>
#include <tendril/sync/mutex.hpp>

#include <chrono>
#include <future>
#include <mutex>
#include <thread>

using namespace std::chrono_literals;

static bool to_die = false;

extern "C" [[gnu::noinline]] void stop_here() {
    asm volatile("");
    if (!to_die) return;
    asm volatile("ud2");  // in this very frame, unlike std::abort()
}

namespace {

// In main itself, where gdb shows no callers.
[[gnu::always_inline]] inline void stop_in_main() {
    asm volatile("nop");
}

// `kept` stays in a register, which the frames of the sleep have saved.
[[gnu::noinline]] int inner(int seed) {
    int kept = seed * 7;
    asm volatile("" : "+r"(kept));
    tendril::sleep(1h);
    return kept;
}

[[gnu::noinline]] int middle(int seed) {
    return inner(seed) + 1;
}

[[gnu::noinline]] int outer(int seed) {
    return middle(seed) + 1;
}

[[gnu::noinline]] void yields_once() {
    tendril::yield();
    asm volatile("");
}

}  // namespace

int main(int count, char**) {
    to_die = count > 1;
    std::promise<tendril::hub_handle> started;
    std::thread other([&] {
        tendril::spawn({.name = "elsewhere"}, outer, 1);
        tendril::hub& hub = tendril::hub::current();
        hub.post([&] { started.set_value(hub.handle()); });
        hub.run_forever();
    });
    const tendril::hub_handle others = started.get_future().get();

    tendril::mutex mutex;
    auto sleeper = tendril::spawn({.name = "sleeper"}, outer, count > 0 ? 6 : 0);
    auto holder = tendril::spawn({.name = "holder"}, [&] {
        const std::lock_guard held(mutex);
        outer(2);
    });
    auto wanting = tendril::spawn({.name = "wanting"}, [&] { mutex.lock(); });
    auto joining = tendril::spawn({.name = "joining"}, [&] { sleeper.join(); });
    auto yielding = tendril::spawn({.name = "yielding"}, yields_once);
    tendril::yield();
    auto unstarted = tendril::spawn({.name = "unstarted"}, [] {});

    stop_here();
    stop_in_main();

    sleeper.kill();
    holder.kill();
    for (const auto& each : {joining, wanting, yielding, unstarted}) each.wait();
    stop_here();
    others.stop();
    other.join();
    return 0;
}
