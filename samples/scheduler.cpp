// Two periodic calls by name, one of which is stopped while the other goes on.
//
// usage: scheduler [--once]     without --once: until Ctrl-C
//
// SPDX-License-Identifier: BSL-1.0
#include <tendril/tendril.hpp>

#include <chrono>
#include <cstdio>
#include <string_view>

using namespace std::chrono_literals;

namespace {

tendril::time_point begin;

void execute(const char* a, const char* b, const char* c) {
    const std::chrono::duration<double> passed = tendril::hub::current().now() - begin;
    std::printf("execute at %.0f s with args: (%s, %s, %s)\n", passed.count(), a, b, c);
}

void schedule(bool once) {
    begin = tendril::hub::current().now();
    tendril::intervals timers;
    timers.schedule("first", 1s, 1s, [] { execute("a", "b", "c"); });
    timers.schedule("second", 1s, 1s, [] { execute("d", "e", "f"); });
    try {
        timers.schedule("first", 1s, 1s, [] {});
    } catch (const tendril::fiber_error& e) {
        std::printf("%s\n", e.what());
    }
    tendril::sleep(3500ms);
    timers.stop("first");
    std::printf("first is stopped\n");
    tendril::sleep(once ? tendril::duration(2s) : tendril::forever);
}

}  // namespace

int main(int argc, char** argv) {
    const bool once = argc > 1 && std::string_view(argv[1]) == "--once";
    std::setvbuf(stdout, nullptr, _IOLBF, BUFSIZ);
    try {
        tendril::run([=] { schedule(once); });
    } catch (const tendril::signalled&) {
        std::printf("quit\n");
    }
}
