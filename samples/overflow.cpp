// A fiber that runs over its stack: it is named, and the process dies of it.
//
// usage: overflow [--once]
//
// --once: a child process does, and this one looks at how it ended.
//
// SPDX-License-Identifier: BSL-1.0
#include <tendril/tendril.hpp>

#include <csignal>
#include <cstdio>
#include <cstring>

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

namespace {

volatile bool endless = true;

[[gnu::noinline]] int dig(int depth) {
    volatile char frame[1024];
    frame[0] = static_cast<char>(depth);
    return endless ? dig(depth + 1) + frame[0] : 0;
}

int run_over() {
    return tendril::spawn({.name = "digger", .stack_size = 65'536}, dig, 0).wait();
}

}  // namespace

int main(int argc, char** argv) {
    const rlimit no_core{0, 0};
    setrlimit(RLIMIT_CORE, &no_core);
    if (argc < 2 || std::strcmp(argv[1], "--once") != 0) return run_over();

    // A child that was forked before there was a hub is a process like any other.
    const pid_t child = fork();
    if (child == 0) _exit(run_over());
    int status = 0;
    if (waitpid(child, &status, 0) != child || !WIFSIGNALED(status)) return 1;
    // NOLINTNEXTLINE(concurrency-mt-unsafe): there is one thread
    std::printf("it died of: %s\n", strsignal(WTERMSIG(status)));
    return WTERMSIG(status) == SIGSEGV ? 0 : 1;
}
