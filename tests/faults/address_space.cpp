// address_space.cpp - the system has no more memory for stacks.
//
//     address_space addresses     RLIMIT_AS, set before the first fiber
//     address_space writable      RLIMIT_DATA, set when there are fibers already
//
// The spawn that gets none is a bad_alloc. Those that are there go on; when they have
// ended there is room for as many again.
//
// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/hub.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <new>
#include <string>
#include <string_view>
#include <vector>

#include <sys/resource.h>

using namespace tendril;

namespace {

constexpr std::size_t mebibyte = 1024 * 1024;
constexpr std::size_t stack_size = mebibyte;

// A figure of /proc/self/status, in bytes.
std::size_t status(const std::string& name) {
    std::ifstream lines("/proc/self/status");
    for (std::string word; lines >> word;) {
        std::size_t kib = 0;
        if (word == name + ":" && lines >> kib) return kib * 1024;
    }
    return 0;
}

bool limit(decltype(RLIMIT_AS) what, std::size_t used, std::size_t room) {
    const rlimit low{used + room, used + room};
    return used > 0 && setrlimit(what, &low) == 0;
}

// Fibers until there can be no more. All of them have a turn, and end.
struct round_result {
    std::size_t made = 0, ended = 0;
    bool refused = false;
};

round_result fill() {
    round_result r;
    constexpr std::size_t most = 1'000;
    std::vector<fiber<>> all;
    all.reserve(most);
    bool over = false;
    while (!r.refused && all.size() < most) {
        try {
            all.push_back(spawn({.stack_size = stack_size}, [&] {
                while (!over) yield();
                ++r.ended;
            }));
        } catch (const std::bad_alloc&) {
            r.refused = true;
        }
        yield();
    }
    r.made = all.size();
    for (int i = 0; i < 10; ++i) yield();
    over = true;
    for (auto& f : all) f.wait();
    return r;
}

}  // namespace

int main(int argc, char** argv) {
    const std::string_view what = argc > 1 ? argv[1] : "";
    constexpr std::size_t room = 64 * mebibyte;
    if (what == "addresses") {
        if (!limit(RLIMIT_AS, status("VmSize"), room)) return 2;
    } else {
        spawn([] {}).wait();
        if (!limit(RLIMIT_DATA, status("VmData"), room)) return 2;
    }
    bool ok = true;
    std::size_t least = SIZE_MAX, most = 0;
    for (int i = 0; i < 5; ++i) {
        const round_result r = fill();
        ok = ok && r.refused && r.made > 0 && r.ended == r.made &&
             hub::current().live_fibers() == 0 && hub::current().stacks_in_use() == 0;
        least = std::min(least, r.made);
        most = std::max(most, r.made);
    }
    std::printf(
        "5 rounds, each until it was refused: %zu to %zu fibers of 1 MiB in 64\n",
        least, most);
    return ok && least == most ? 0 : 1;
}
