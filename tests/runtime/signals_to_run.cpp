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
#include <latch>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

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
                shield(10s, [&] { yield(), ++steps; });
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
    int fds[2];
    if (pipe(fds) != 0) return false;
    const int status = child_status([&] {
        const rlimit no_core{0, 0};
        setrlimit(RLIMIT_CORE, &no_core);
        run([&] {
            const uninterrupted here;
            raise(SIGTERM);
            yield();
            if (write(fds[1], "1", 1) != 1) return;
            raise(SIGTERM);
            sleep(forever);
        });
    });
    close(fds[1]);
    char survived_first = 0;
    const bool told = read(fds[0], &survived_first, 1) == 1;
    close(fds[0]);
    return told && WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM;
}

// What is handled by somebody else is left to him.
bool leaves_others_alone() {
    static volatile sig_atomic_t mine = 0;
    std::signal(SIGINT, [](int) { mine = 1; });
    const int result = run([] {
        raise(SIGINT);
        yield();
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
        spawn({.name = "sleeper"}, [] { sleep(forever); });
        yield();
        raise(SIGQUIT);
        // The hub looks between its turns, of 64 hops each.
        for (int i = 0; i < 100; ++i) yield();
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

// Three hubs, asleep: what is told of is told by each.
bool dumps_every_hub() {
    int fds[2];
    if (pipe(fds) != 0) return false;
    const pid_t child = fork();
    if (child == 0) {
        dup2(fds[1], STDERR_FILENO);
        dump_fibers_on(SIGQUIT);
        std::latch all_there(3);
        const auto sleep_there = [&](const char* name) {
            spawn({.name = name}, [] { sleep(forever); });
            yield();
            all_there.arrive_and_wait();
        };
        std::vector<std::thread> others;
        for (const char* const name : {"second", "third"}) {
            others.emplace_back([&, name] {
                sleep_there(name);
                sleep(forever);
            });
        }
        sleep_there("first");
        raise(SIGQUIT);
        sleep(forever);
    }
    close(fds[1]);
    std::string text;
    const auto all_told = [&] {
        for (const char* const part : {"'first'", "'second'", "'third'", "hub 0: 2 f",
                                       "hub 1: 2 f", "hub 2: 2 f"}) {
            if (text.find(part) == std::string::npos) return false;
        }
        return true;
    };
    std::array<char, 4096> part{};
    for (ssize_t n = 0;
         !all_told() && (n = read(fds[0], part.data(), part.size())) > 0;) {
        text.append(part.data(), static_cast<std::size_t>(n));
    }
    close(fds[0]);
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
    return all_told();
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
    if (what == "hubs") ok = dumps_every_hub();
    return ok ? 0 : 1;
}
