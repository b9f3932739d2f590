// Three rockets counted down at once, by three fibers on one thread.
//
// usage: countdown [--once]     --once: a second is over in ten milliseconds
//
// SPDX-License-Identifier: BSL-1.0
#include <tendril/tendril.hpp>

#include <chrono>
#include <cstdio>
#include <string_view>

namespace {

tendril::duration second = std::chrono::seconds(1);

double seconds_since(tendril::time_point begin) {
    return std::chrono::duration<double>(tendril::clock::now() - begin) / second;
}

void count_down(const char* label, int length, int delay) {
    std::printf("%s waiting %d seconds before starting countdown\n", label, delay);
    const auto begin = tendril::clock::now();
    tendril::sleep(delay * second);
    std::printf("%s starting after waiting %.3f seconds\n", label,
                seconds_since(begin));
    for (; length > 0; --length) {
        std::printf("%s T-minus %d\n", label, length);
        tendril::sleep(second);
    }
    std::printf("%s lift-off!\n", label);
}

}  // namespace

int main(int argc, char** argv) {
    if (argc > 1 && std::string_view(argv[1]) == "--once") second /= 100;
    std::setvbuf(stdout, nullptr, _IOLBF, BUFSIZ);
    const auto begin = tendril::clock::now();
    const tendril::fiber<> launches[] = {
        tendril::spawn(count_down, "A", 5, 0),
        tendril::spawn(count_down, "B", 3, 2),
        tendril::spawn(count_down, "C", 4, 1),
    };
    for (const auto& launch : launches) launch.wait();
    std::printf("Total elapsed time is %.3f seconds\n", seconds_since(begin));
}
