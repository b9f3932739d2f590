// A million fibers, each with a stack and a guard page of its own, asleep at once.
//
// usage: million_fibers [N] [--once]
//
// --once: a thousand. Needs about 4 GiB of memory for the million, and Linux 6.13;
// older ones have mappings for some 32,000.
//
// SPDX-License-Identifier: BSL-1.0
#include <tendril/tendril.hpp>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <new>
#include <string>

#include <unistd.h>

using namespace std::chrono_literals;

namespace {

double resident_kib() {
    std::ifstream statm("/proc/self/statm");
    long size = 0, resident = 0;
    statm >> size >> resident;
    return static_cast<double>(resident) * static_cast<double>(sysconf(_SC_PAGESIZE)) /
           1024;
}

// Of the process's memory: their number is limited to 65,530 on most systems.
long mappings() {
    std::ifstream maps("/proc/self/maps");
    return std::count(std::istreambuf_iterator<char>(maps), {}, '\n');
}

double seconds(tendril::duration d) {
    return std::chrono::duration<double>(d).count();
}

// Why there cannot be more.
const char* shortage() {
    std::ifstream limit("/proc/sys/vm/max_map_count");
    long most = 0;
    limit >> most;
    return mappings() + 16 > most
               ? "the system has no more mappings (vm.max_map_count), of which each "
                 "guard costs two before Linux 6.13"
               : "there is no memory for more";
}

int sleep_in(long n) {
    const double resident_before = resident_kib();
    const long maps_before = mappings();
    const auto begin = tendril::clock::now();
    // Late enough for all to be asleep by then.
    const auto alarm = begin + 500ms + n * 25us;
    long asleep = 0, awake = 0;
    for (long i = 0; i < n; ++i) {
        try {
            tendril::spawn([&] {
                ++asleep;
                tendril::sleep_until(alarm);
                ++awake;
            });
        } catch (const std::bad_alloc&) {
            std::printf("no more than %ld of %ld: %s\n", i, n, shortage());
            n = i;
        }
        if (i % 1000 == 0) tendril::yield();
        if (i % 50'000 == 0 && isatty(STDERR_FILENO)) {
            std::fprintf(stderr, "\r%ld asleep", asleep);
        }
    }
    tendril::yield();
    const auto parked = tendril::clock::now();
    if (isatty(STDERR_FILENO)) std::fprintf(stderr, "\r");
    std::printf("fibers %ld\n", asleep);
    std::printf("KiB resident per fiber %.2f\n",
                (resident_kib() - resident_before) / static_cast<double>(n));
    std::printf("maps before %ld, after %ld\n", maps_before, mappings());
    std::printf("seconds to park %.2f\n", seconds(parked - begin));
    if (parked > alarm) std::printf("(too late for some, who never slept)\n");
    std::fflush(stdout);

    tendril::sleep_until(alarm);
    while (awake < n) tendril::yield();
    std::printf("seconds to wake %.2f\n",
                seconds(tendril::clock::now() - std::max(alarm, parked)));
    return awake == n ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
    const char* const argument = argc > 1 ? argv[1] : "1000000";
    const bool once = std::strcmp(argument, "--once") == 0;
    const long n = once ? 1000 : std::atol(argument);
    if (n < 1 || argc > 2) {
        std::fprintf(stderr, "usage: %s [N] [--once]\n", argv[0]);
        return 2;
    }
    return sleep_in(n);
}
