// pauses.cpp - a process that is stopped for five seconds, as a machine may be.
//
// Timers that came due meanwhile fire once each, in order; what ticks each millisecond
// does not make up for the ticks it has missed.
//
// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/clock.hpp>
#include <tendril/runtime/hub.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <functional>
#include <thread>
#include <vector>

#include <sys/wait.h>
#include <unistd.h>

using namespace std::chrono_literals;
using namespace tendril;

namespace {

constexpr auto pause_length = 5s;
constexpr int timer_count = 5'000;

// Of the process that is stopped.
int stopped_process() {
    // Late enough for all to be armed by then.
    const time_point begin = clock::now() + 500ms;
    std::vector<int> fired;
    std::vector<timer> timers;
    // All are due in the pause, and some at the same time.
    for (int i = 0; i < timer_count; ++i) {
        const time_point due = begin + (i * 7 % timer_count / 2) * 1ms;
        timers.push_back(
            hub::current().call_at(due, [&fired, i] { fired.push_back(i); }));
    }
    bool over = false;
    long sleeps = 0, calls = 0;
    auto sleeper = spawn([&] {
        while (!over) {
            tendril::sleep(1ms);
            ++sleeps;
        }
    });
    std::function<void()> tick = [&] {
        ++calls;
        if (!over) hub::current().call_later(1ms, tick);
    };
    hub::current().call_later(1ms, tick);

    tendril::sleep(5ms);
    const long sleeps_before = sleeps, calls_before = calls;
    const time_point stopped = clock::now();
    raise(SIGSTOP);
    const auto pause = clock::now() - stopped;
    const time_point resumed = clock::now();
    tendril::sleep(20ms);
    const auto awake = clock::now() - resumed;
    const long missed = pause / 1ms, possible = awake / 1ms + 1;
    const long most_ticks = std::max(sleeps - sleeps_before, calls - calls_before);
    over = true;
    sleeper.wait();
    tendril::sleep(2ms);

    std::vector<int> expected(timer_count);
    for (int i = 0; i < timer_count; ++i) expected[static_cast<std::size_t>(i)] = i;
    std::stable_sort(expected.begin(), expected.end(), [](int a, int b) {
        return a * 7 % timer_count / 2 < b * 7 % timer_count / 2;
    });
    const bool in_order = fired == expected;
    std::printf(
        "stopped for %ld ms: fired %zu of %d, %s; %ld ticks in the %ld ms after\n",
        missed, fired.size(), timer_count, in_order ? "in order" : "not in order",
        most_ticks, possible - 1);
    return in_order && missed >= pause_length / 1ms && most_ticks > 0 &&
                   most_ticks <= possible + 1
               ? 0
               : 1;
}

}  // namespace

int main() {
    const pid_t child = fork();
    if (child == 0) {
        const int result = stopped_process();
        std::fflush(stdout);
        _exit(result);
    }
    int status = 0;
    waitpid(child, &status, WUNTRACED);
    if (!WIFSTOPPED(status)) return 1;
    std::this_thread::sleep_for(pause_length);
    kill(child, SIGCONT);
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
