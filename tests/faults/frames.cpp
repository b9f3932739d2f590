// frames.cpp - frames of any size that do not fit on a stack of 64 KiB: the process
// dies of SIGSEGV, and says which fiber it was.
//
// Compiled without -fstack-clash-protection, as frames_unprotected, that holds for
// frames up to the size of the guard, 68 KiB. A larger one may step over it.
//
// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/spawn.hpp>

#include <array>
#include <csignal>
#include <cstddef>
#include <cstdio>
#include <string>

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace tendril;

namespace {

constexpr std::size_t kibibyte = 1024;

volatile bool endless = true;

// Touches one byte of its frame only, at the far end.
template <std::size_t Bytes>
[[gnu::noinline]] int dig(int depth) {
    volatile char frame[Bytes];
    frame[0] = static_cast<char>(depth);
    return endless ? dig<Bytes>(depth + 1) + frame[0] : 0;
}

template <std::size_t Bytes>
bool is_detected() {
    std::array<int, 2> words{};
    if (pipe(words.data()) != 0) return false;
    const pid_t child = fork();
    if (child == 0) {
        const rlimit no_core{0, 0};
        setrlimit(RLIMIT_CORE, &no_core);
        dup2(words[1], STDERR_FILENO);
        spawn({.name = "digger", .stack_size = 64 * kibibyte}, dig<Bytes>, 0).wait();
        _exit(0);
    }
    close(words[1]);
    std::string text;
    std::array<char, 4096> part{};
    for (ssize_t n = 0; (n = read(words[0], part.data(), part.size())) > 0;) {
        text.append(part.data(), static_cast<std::size_t>(n));
    }
    close(words[0]);
    int status = 0;
    waitpid(child, &status, 0);
    const bool named = text.find("'digger'") != std::string::npos &&
                       text.find("its stack of 65536 bytes") != std::string::npos;
    const bool right = named && WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV;
    std::printf("frames of %zu KiB: %s\n", Bytes / kibibyte,
                right ? "detected" : "NOT detected");
    std::fflush(stdout);
    return right;
}

// How many of them are.
template <std::size_t... KiB>
int detected() {
    return (int{is_detected<KiB * kibibyte>()} + ...);
}

}  // namespace

int main() {
    const int small = detected<1, 2, 4, 8, 16, 32, 64>();
    const int large = detected<128, 256, 512, 1024>();
    std::printf("detected: %d of 7 that the guard is larger than, %d of 4 others\n",
                small, large);
#ifdef TENDRIL_UNPROTECTED
    return small == 7 ? 0 : 1;
#else
    return small == 7 && large == 4 ? 0 : 1;
#endif
}
