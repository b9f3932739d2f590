// A loop that runs until Ctrl-C, so that what nobody waits for comes to its end, too.
//
// usage: run_forever [--once]     --once: presses Ctrl-C itself
//
// SPDX-License-Identifier: BSL-1.0
#include <tendril/tendril.hpp>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <string_view>

using namespace std::chrono_literals;

namespace {

tendril::duration work = 1s;

void fcn() {
    std::printf("fcn() called\n");
    tendril::sleep(work);
    std::printf("fcn() finished\n");
}

void start(bool once) {
    std::printf("run() called\n");
    const auto r = tendril::spawn(fcn);
    r.link([once] {
        std::printf("done() called\n");
        if (once) std::raise(SIGINT);
    });
    std::printf("run() finished\n");
}

}  // namespace

int main(int argc, char** argv) {
    const bool once = argc > 1 && std::string_view(argv[1]) == "--once";
    if (once) work = 10ms;
    std::setvbuf(stdout, nullptr, _IOLBF, BUFSIZ);
    try {
        tendril::run([once] {
            start(once);
            tendril::hub::current().run_forever();
        });
    } catch (const tendril::signalled&) {
        std::printf("quit\n");
    }
}
