// many_fibers.cpp - as many guarded fibers as there can be.
//
//     many_fibers overflow N   N fibers sleep, and one more runs over its stack: the
//                              process dies of SIGSEGV and names it
//     many_fibers control N    the same without that one: all end, and the code is 0
//                              (both with 10,000 at most where guards cost mappings)
//     many_fibers mappings     until the system has no more mappings (with
//                              TENDRIL_STACK_GUARDS=mprotect): that spawn is a
//                              bad_alloc, and everything else goes on
//
// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/hub.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <new>
#include <string>
#include <string_view>
#include <vector>

#include "../support/process_memory.hpp"
#include "../support/stack_guards.hpp"
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace tendril;

namespace {

// The system's limit is some 32,000.
constexpr std::size_t few = 10'000;

volatile bool endless = true;

[[gnu::noinline]] int dig(int depth) {
    volatile char frame[1024];
    frame[0] = static_cast<char>(depth);
    return endless ? dig(depth + 1) + frame[0] : 0;
}

double resident_kib() {
    return static_cast<double>(test::resident_pages()) * 4;
}

std::vector<fiber<>> sleepers(std::size_t n) {
    std::vector<fiber<>> all;
    all.reserve(n);
    yield();
    const double before = resident_kib();
    const long maps = test::mappings();
    for (std::size_t i = 0; i < n; ++i) {
        all.push_back(spawn([] { tendril::sleep(forever); }));
    }
    yield();
    const double each = (resident_kib() - before) / static_cast<double>(n);
    std::printf("KiB each %.3f, mappings %ld -> %ld\n", each, maps, test::mappings());
    std::fflush(stdout);
    const long for_guards = test::guards_are_free() ? 0 : 2 * static_cast<long>(n);
    if (each > 4.5 || test::mappings() > maps + 6 + for_guards) std::_Exit(3);
    return all;
}

int end(std::vector<fiber<>>& all) {
    for (const fiber<>& f : all) f.kill();
    const bool ended =
        std::all_of(all.begin(), all.end(), [](auto& f) { return f.done(); });
    all.clear();
    yield();
    return ended && hub::current().stacks_in_use() == 0 ? 0 : 1;
}

int control(std::size_t n) {
    auto all = sleepers(n);
    return end(all);
}

// In a child process, whose last words are read.
int overflow(std::size_t n) {
    int words[2];
    if (pipe(words) != 0) return 2;
    const pid_t child = fork();
    if (child == 0) {
        const rlimit no_core{0, 0};
        setrlimit(RLIMIT_CORE, &no_core);
        dup2(words[1], STDERR_FILENO);
        const auto all = sleepers(n);
        spawn({.name = "the last"}, dig, 0).wait();
        _exit(0);
    }
    close(words[1]);
    std::string text;
    std::array<char, 4096> part{};
    for (ssize_t got = 0; (got = read(words[0], part.data(), part.size())) > 0;) {
        text.append(part.data(), static_cast<std::size_t>(got));
    }
    int status = 0;
    waitpid(child, &status, 0);
    const bool named = text.find("'the last' (made at ") != std::string::npos;
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV && named ? 0 : 1;
}

int until_mappings_run_out() {
    std::vector<fiber<>> all;
    all.reserve(1'000'000);
    bool refused = false;
    while (!refused && all.size() < all.capacity()) {
        try {
            all.push_back(spawn([] { tendril::sleep(forever); }));
        } catch (const std::bad_alloc&) {
            refused = true;
        }
    }
    std::printf("fibers %zu, mappings %ld\n", all.size(), test::mappings());
    yield();
    // Those that are there work, and what one gives back another one has.
    if (all.empty()) return 1;
    all.back().kill();
    all.pop_back();
    const int answer = spawn([] { return 42; }).wait();
    return end(all) == 0 && refused && answer == 42 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
    const std::string_view what = argc > 1 ? argv[1] : "";
    const std::size_t n = argc > 2 ? std::strtoul(argv[2], nullptr, 10) : 1'000;
    const std::size_t at_most = test::guards_are_free() ? n : std::min(n, few);
    if (what == "overflow") return overflow(at_most);
    if (what == "control") return control(at_most);
    if (what == "mappings") return until_mappings_run_out();
    return 2;
}
