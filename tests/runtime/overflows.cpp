// overflows.cpp - what is told of a stack that runs over, on whatever thread and in
// whatever kind of fiber. The argument says which case; the exit code says whether it
// is as it should be.
//
// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/greenlet.hpp>
#include <tendril/runtime/hub.hpp>
#include <tendril/runtime/spawn.hpp>

#include <array>
#include <csignal>
#include <cstdio>
#include <string>
#include <string_view>
#include <thread>

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace tendril;

// Exported, so that frames have their names.
namespace planted {

volatile bool go_on = true;

[[gnu::noinline]] int dig(int depth) {
    volatile unsigned char frame[1024];
    frame[0] = static_cast<unsigned char>(depth);
    return go_on ? dig(depth + 1) + frame[0] : 0;
}

}  // namespace planted

namespace {

void in_fiber() {
    spawn({.name = "digger"}, planted::dig, 0).wait();
}

void in_fiber_of_second_thread() {
    hub::current();  // the first one's signal stack is not the second one's
    std::thread(in_fiber).join();
}

void in_greenlet() {
    greenlet<>([] { planted::dig(0); }).switch_to();
}

struct death {
    int status = 0;
    std::string told;
};

// In a child process, before which there was no hub.
death death_by(void (*overflow)()) {
    death d;
    int fds[2];
    if (pipe(fds) != 0) return d;
    const pid_t child = fork();
    if (child == 0) {
        const rlimit no_core{0, 0};
        setrlimit(RLIMIT_CORE, &no_core);
        dup2(fds[1], STDERR_FILENO);
        overflow();
        _exit(0);
    }
    close(fds[1]);
    std::array<char, 4096> part{};
    for (ssize_t n = 0; (n = read(fds[0], part.data(), part.size())) > 0;) {
        d.told.append(part.data(), static_cast<std::size_t>(n));
    }
    close(fds[0]);
    waitpid(child, &d.status, 0);
    return d;
}

bool is_told_of(void (*overflow)(), const char* who, const char* made) {
    const death d = death_by(overflow);
    const auto told = [&](const char* part) {
        return d.told.find(part) != std::string::npos;
    };
    const bool ok = WIFSIGNALED(d.status) && WTERMSIG(d.status) == SIGSEGV &&
                    told(who) && told(made) && told("has run over its stack of ") &&
                    told("planted3dig");
    if (!ok) std::printf("status %d, told: %s\n", d.status, d.told.c_str());
    return ok;
}

}  // namespace

int main(int argc, char** argv) {
    const std::string_view what = argc > 1 ? argv[1] : "";
    bool ok = false;
    if (what == "fiber") ok = is_told_of(in_fiber, "'digger'", "overflows.cpp:");
    if (what == "thread") {
        ok = is_told_of(in_fiber_of_second_thread, "'digger'", "overflows.cpp:");
    }
    if (what == "greenlet") ok = is_told_of(in_greenlet, "greenlet ", "overflows.cpp:");
    return ok ? 0 : 1;
}
