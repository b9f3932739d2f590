// signals_to_run.cpp - what SIGINT, SIGTERM and SIGQUIT do to a program inside run().
// The argument says which case; the exit code says whether it is as it should be.
//
// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/cancel.hpp>
#include <tendril/runtime/dump.hpp>
#include <tendril/runtime/run.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>

#include <array>
#include <chrono>
#include <csignal>
#include <string>
#include <string_view>
#include <thread>

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace std::chrono_literals;
using namespace tendril;

namespace {

// Everything unwinds, and what waits in clean-up under a shield does so in full.
bool ends_cleanly(int signal, bool from_thread) {
    int steps = 0;
    std::thread other;
    try {
        run([&] {
            auto child = spawn([&] {
                try {
                    sleep(forever);
                } catch (const greenlet_exit&) {
                    ++steps;
                    throw;
                }
            });
            yield();
            if (from_thread) {
                other = std::thread([=] { kill(getpid(), signal); });
            } else {
                raise(signal);
            }
            try {
                sleep(1h);
            } catch (const cancelled&) {
                shield(10s, [&] { sleep(1ms), ++steps; });
                throw;
            }
        });
    } catch (const signalled& s) {
        if (s.signal() == signal) ++steps;
    }
    if (other.joinable()) other.join();
    return steps == 3 && std::signal(signal, SIG_DFL) == SIG_DFL;
}

// In a child process, before which there was no hub. Its status.
template <class F>
int child_status(F f) {
    const pid_t child = fork();
    if (child == 0) {
        f();
        _exit(0);
    }
    int status = 0;
    return waitpid(child, &status, 0) == child ? status : 0;
}

bool second_ends_at_once() {
    const int status = child_status([] {
        const rlimit no_core{0, 0};
        setrlimit(RLIMIT_CORE, &no_core);
        run([] {
            const uninterrupted here;
            raise(SIGTERM);
            yield();
            raise(SIGTERM);
            sleep(forever);
        });
    });
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM;
}

// What is handled by somebody else is left to him.
bool leaves_others_alone() {
    static volatile sig_atomic_t mine = 0;
    std::signal(SIGINT, [](int) { mine = 1; });
    const int result = run([] {
        raise(SIGINT);
        sleep(1ms);
        return 7;
    });
    return mine == 1 && result == 7;
}

bool dumps_on_quit() {
    int fds[2];
    if (pipe(fds) != 0) return false;
    const int status = child_status([&] {
        dup2(fds[1], STDERR_FILENO);
        dump_fibers_on(SIGQUIT);
        auto f = spawn({.name = "sleeper"}, [] { sleep(20ms); });
        yield();
        raise(SIGQUIT);
        f.wait();
    });
    close(fds[1]);
    std::string text;
    std::array<char, 4096> part{};
    for (ssize_t n = 0; (n = read(fds[0], part.data(), part.size())) > 0;) {
        text.append(part.data(), static_cast<std::size_t>(n));
    }
    close(fds[0]);
    return status == 0 && text.find("'sleeper'") != std::string::npos &&
           text.find("waits for sleep") != std::string::npos;
}

}  // namespace

int main(int argc, char** argv) {
    const std::string_view what = argc > 1 ? argv[1] : "";
    bool ok = false;
    if (what == "interrupt") ok = ends_cleanly(SIGINT, false);
    if (what == "terminate") ok = ends_cleanly(SIGTERM, true);
    if (what == "second") ok = second_ends_at_once();
    if (what == "others") ok = leaves_others_alone();
    if (what == "quit") ok = dumps_on_quit();
    return ok ? 0 : 1;
}
