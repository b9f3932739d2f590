// Two works at once: waited for, and then gathered with what they return.
//
// usage: two_works [--once]     --once: a second is over in ten milliseconds
//
// SPDX-License-Identifier: BSL-1.0
#include <tendril/tendril.hpp>

#include <chrono>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

namespace {

tendril::duration second = std::chrono::seconds(1);

std::string work(int arg) {
    std::printf("start %d\n", arg);
    tendril::sleep(arg * second);
    std::printf("end %d\n", arg);
    return "ok";
}

}  // namespace

int main(int argc, char** argv) {
    if (argc > 1 && std::string_view(argv[1]) == "--once") second /= 100;
    const std::vector works{tendril::spawn(work, 1), tendril::spawn(work, 2)};
    tendril::wait(works);

    const auto [one, two] =
        tendril::gather([] { return work(1); }, [] { return work(2); });
    std::printf("['%s', '%s']\n", one.c_str(), two.c_str());
}
