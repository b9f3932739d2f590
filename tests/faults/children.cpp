// children.cpp - many children end at about the same time, and their signals merge.
//
//     children N     a fiber that a handler of SIGCHLD wakes through a socket reaps all
//                    N, while others run
//
// SPDX-License-Identifier: BSL-1.0
#include <tendril/net/socket.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>

#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace tendril;

namespace {

std::array<int, 2> bell{};
std::atomic<long> signals{0};

void ring(int) {
    const int error = errno;
    ++signals;
    // Full is as good as rung.
    send(bell[1], "x", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
    errno = error;
}

// Those that have ended so far, with the code that they were to end with.
long reap() {
    long reaped = 0;
    int status = 0;
    while (waitpid(-1, &status, WNOHANG) > 0) {
        reaped += WIFEXITED(status) && WEXITSTATUS(status) == 7 ? 1 : 0;
    }
    return reaped;
}

}  // namespace

int main(int argc, char** argv) {
    const long n = argc > 1 ? std::atol(argv[1]) : 100;
    std::array<int, 2> begin{};
    constexpr int kind = SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK;
    if (socketpair(AF_UNIX, kind, 0, bell.data()) != 0 || pipe(begin.data()) != 0) {
        return 2;
    }

    struct sigaction action {};

    action.sa_handler = ring;
    action.sa_flags = SA_RESTART;
    sigaction(SIGCHLD, &action, nullptr);
    for (long i = 0; i < n; ++i) {
        if (fork() != 0) continue;
        // All end when the other end is closed.
        close(begin[1]);
        char c = 0;
        _exit(read(begin[0], &c, 1) == 0 ? 7 : 1);
    }

    bool over = false;
    long turns = 0;
    auto other = spawn([&] {
        while (!over) {
            yield();
            ++turns;
        }
    });
    auto reaper = spawn([&] {
        net::socket rings(bell[0]);
        std::array<char, 64> some{};
        long reaped = 0;
        while (reaped < n && rings.recv(some) > 0) reaped += reap();
        return reaped;
    });
    yield();
    close(begin[1]);
    const long reaped = reaper.wait();
    over = true;
    other.wait();
    std::printf("%ld children, %ld reaped after %ld signals; %ld turns meanwhile\n", n,
                reaped, signals.load(), turns);
    const bool none_left = waitpid(-1, nullptr, WNOHANG) == -1 && errno == ECHILD;
    return reaped == n && none_left && signals >= 1 && signals <= n && turns > 0 ? 0
                                                                                 : 1;
}
