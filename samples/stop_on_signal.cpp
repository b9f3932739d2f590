// A program that runs until Ctrl-C, and then cleans up: signals as callbacks of the
// hub.
//
// usage: stop_on_signal [--once]     --once: sends itself the signals
//
// SPDX-License-Identifier: BSL-1.0
#include <tendril/tendril.hpp>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <string_view>

namespace {

using namespace std::chrono_literals;

void work() {
    try {
        for (;;) tendril::sleep(1h);
    } catch (const tendril::greenlet_exit&) {
        std::printf("worker: killed, cleaning up\n");
        throw;
    }
}

}  // namespace

int main(int argc, char** argv) {
    std::setvbuf(stdout, nullptr, _IOLBF, BUFSIZ);
    tendril::hub& h = tendril::hub::current();
    // Not inside a signal handler of the C library's: a callback may print, spawn,
    // kill.
    h.add_signal_handler(SIGHUP, [] { std::printf("SIGHUP: reading settings\n"); });
    h.add_signal_handler(SIGINT, [&h] {
        std::printf("SIGINT: stopping\n");
        h.stop();
    });
    tendril::spawn({.name = "worker"}, work);
    if (argc > 1 && std::string_view(argv[1]) == "--once") {
        h.call_later(10ms, [] { std::raise(SIGHUP); });
        h.call_later(20ms, [] { std::raise(SIGINT); });
    } else {
        std::printf("Ctrl-C ends this\n");
    }
    h.run_forever();

    for (const tendril::any_fiber& f : tendril::all_fibers()) f.kill();
    std::printf("%zu fibers left\n", tendril::all_fibers().size());
    // The next Ctrl-C would end the process as it does others.
    h.remove_signal_handler(SIGINT);
}
