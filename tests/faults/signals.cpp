// signals.cpp - a burst of signals to a process whose fibers run.
//
//     signals N     a child sends N of each kind, in a hundred bursts. Those that queue
//     (SIGRTMIN) arrive
//                   all, once and in order; those that merge (SIGUSR1), at least once
//                   after the last was sent. The handlers run on the smallest stacks.
//
// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/detail/scheduler.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>
#include <tendril/runtime/stack.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <new>
#include <vector>

#include <sched.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace std::chrono_literals;
using namespace tendril;

namespace {

// With the child.
struct shared_memory {
    std::atomic<long> queued{0};  // that were handled
    std::atomic<bool> last_is_next{false};
};

shared_memory* shared = nullptr;

std::atomic<long> in_order{0}, merged{0}, on_fibers{0};
std::atomic<bool> last_seen{false};
std::atomic<std::ptrdiff_t> least_room{PTRDIFF_MAX};

// Where the handler runs, and what is left of that stack.
void note_stack() {
    const detail::fiber_core& self = *detail::this_scheduler->current;
    if (self.kind != detail::fiber_kind::spawned) return;
    std::byte here{};
    const std::ptrdiff_t room = &here - self.memory.bottom;
    if (room < 0 || room > static_cast<std::ptrdiff_t>(minimum_stack_size)) return;
    ++on_fibers;
    if (room < least_room) least_room = room;
}

void take_queued(int, siginfo_t* info, void*) {
    if (info->si_value.sival_int == shared->queued) ++in_order;
    ++shared->queued;
    note_stack();
}

void take_merged(int) {
    if (shared->last_is_next) last_seen = true;
    ++merged;
    note_stack();
}

void handle(int signal, void (*queueing)(int, siginfo_t*, void*), void (*plain)(int)) {
    struct sigaction action {};

    action.sa_flags = SA_RESTART;
    if (queueing != nullptr) {
        action.sa_sigaction = queueing;
        action.sa_flags |= SA_SIGINFO;
    } else {
        action.sa_handler = plain;
    }
    if (sigaction(signal, &action, nullptr) != 0) std::_Exit(2);
}

[[noreturn]] void send_burst(long n, int begin) {
    const pid_t to = getppid();
    char c = 0;
    if (read(begin, &c, 1) != 1) _exit(2);
    for (long i = 0; i < n; ++i) {
        sigval number{};
        number.sival_int = static_cast<int>(i);
        // There is room for so many in the system.
        while (sigqueue(to, SIGRTMIN, number) != 0) sched_yield();
        if (i == n - 1) shared->last_is_next = true;
        kill(to, SIGUSR1);
        // The process gets to run, and the next burst meets it elsewhere.
        while ((i + 1) % (n / 100) == 0 && shared->queued <= i) sched_yield();
    }
    _exit(0);
}

// Keeps numbers in its frame over switches, and says whether they stayed as they were.
bool keep_numbers(const bool& over, long& turns) {
    std::array<volatile long, 64> numbers{};
    long more = 1'000;
    for (long turn = 0; !over || more-- > 0; ++turn) {
        for (std::size_t i = 0; i < numbers.size(); ++i) {
            numbers[i] = turn + static_cast<long>(i);
        }
        turn % 16 == 0 ? tendril::sleep(10us) : yield();
        // Often enough that most signals come in here, and not to the main fiber.
        for (int look = 0; look < 100; ++look) {
            for (std::size_t i = 0; i < numbers.size(); ++i) {
                if (numbers[i] != turn + static_cast<long>(i)) return false;
            }
        }
        ++turns;
    }
    return true;
}

}  // namespace

int main(int argc, char** argv) {
    const long n = argc > 1 ? std::atol(argv[1]) : 1'000;
    if (n < 100) return 2;
    void* const memory = mmap(nullptr, sizeof(shared_memory), PROT_READ | PROT_WRITE,
                              MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    shared = ::new (memory) shared_memory;
    handle(SIGRTMIN, take_queued, nullptr);
    handle(SIGUSR1, nullptr, take_merged);
    std::array<int, 2> begin{};
    if (pipe(begin.data()) != 0) return 2;
    const pid_t child = fork();
    if (child == 0) send_burst(n, begin[0]);

    bool over = false;
    std::array<long, 8> turns{};
    std::vector<fiber<bool>> fibers;
    for (long& t : turns) {
        fibers.push_back(spawn({.stack_size = minimum_stack_size},
                               [&over, &t] { return keep_numbers(over, t); }));
    }
    yield();
    if (write(begin[1], "x", 1) != 1) return 2;
    while (shared->queued < n || !last_seen) yield();
    over = true;
    bool kept = true;
    for (auto& f : fibers) kept = f.wait() && kept;
    int status = 1;
    waitpid(child, &status, 0);
    for (const int fd : begin) close(fd);

    std::printf("queued: %ld of %ld, %ld in order; merged: %ld of %ld, the last %s\n",
                shared->queued.load(), n, in_order.load(), merged.load(), n,
                last_seen ? "seen" : "not seen");
    std::printf("%ld handlers on stacks of %zu bytes, %td left at least; %ld turns\n",
                on_fibers.load(), minimum_stack_size, least_room.load(),
                *std::min_element(turns.begin(), turns.end()));
    const bool all = shared->queued == n && in_order == n && last_seen && merged <= n;
    return all && kept && on_fibers > 0 && status == 0 ? 0 : 1;
}
