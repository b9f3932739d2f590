// starvation.cpp - I/O beside fibers that are always ready.
//
//     starvation K     K fibers yield all the time, and one of them sends a byte to
//                      another that waits for it. The hub looks at the system 50
//                      microseconds and 64 turns later, if the machine lets it (so:
//                      the median), and after the first look each other fiber has one
//                      turn at most before the byte is read.
//
// SPDX-License-Identifier: BSL-1.0
#include <tendril/net/socket.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

using namespace tendril;

namespace {

std::int64_t nanoseconds(clockid_t clock) {
    timespec t{};
    clock_gettime(clock, &t);
    return t.tv_sec * std::int64_t{1'000'000'000} + t.tv_nsec;
}

long turns = 0;

// A byte on its way.
struct {
    bool sent = false, looked = false;
    long turn_of_look = 0;
    std::int64_t sent_at = 0, processor_at_send = 0, processor_at_look = 0;
} byte;

struct {
    std::vector<std::int64_t> until_look, until_read;
    std::vector<long> turns;
} measured;

void note_read() {
    measured.until_look.push_back(byte.processor_at_look - byte.processor_at_send);
    measured.until_read.push_back(nanoseconds(CLOCK_MONOTONIC) - byte.sent_at);
    measured.turns.push_back(turns - byte.turn_of_look);
    byte = {};
}

template <class T>
T percentile(std::vector<T> all, std::size_t hundredth) {
    std::sort(all.begin(), all.end());
    return all[(all.size() - 1) * hundredth / 100];
}

}  // namespace

extern "C" int epoll_wait(int fd, epoll_event* events, int most, int timeout) {
    if (byte.sent && !byte.looked) {
        byte.looked = true;
        byte.turn_of_look = turns;
        byte.processor_at_look = nanoseconds(CLOCK_THREAD_CPUTIME_ID);
    }
    return static_cast<int>(
        syscall(SYS_epoll_pwait, fd, events, most, timeout, nullptr, 8));
}

int main(int argc, char** argv) {
    const long k = argc > 1 ? std::atol(argv[1]) : 1;
    constexpr std::size_t samples = 1'000;
    std::array<int, 2> ends{};
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
                   ends.data()) != 0) {
        return 2;
    }
    bool over = false;
    auto reader = spawn([&] {
        net::socket s(ends[1]);
        std::array<char, 1> c{};
        while (measured.turns.size() < samples) {
            if (s.recv(c) != 1) return;
            note_read();
        }
        over = true;
    });
    yield();
    std::vector<fiber<>> busy;
    busy.push_back(spawn([&] {
        while (!over) {
            ++turns;
            yield();
            if (byte.sent) continue;
            byte.sent_at = nanoseconds(CLOCK_MONOTONIC);
            byte.processor_at_send = nanoseconds(CLOCK_THREAD_CPUTIME_ID);
            byte.sent = ::send(ends[0], "x", 1, MSG_NOSIGNAL) == 1;
        }
    }));
    while (static_cast<long>(busy.size()) < k) {
        busy.push_back(spawn([&] {
            while (!over) {
                ++turns;
                yield();
            }
        }));
    }
    reader.wait();
    for (auto& f : busy) f.wait();
    close(ends[0]);

    const long most_turns = percentile(measured.turns, 100);
    const double look = static_cast<double>(percentile(measured.until_look, 50)) / 1e3;
    std::printf(
        "%ld busy fibers: read after %.1f us (median), %.1f us (p99); looked at "
        "after %.1f us of processor time (median), read %ld turns later at most\n",
        k, static_cast<double>(percentile(measured.until_read, 50)) / 1e3,
        static_cast<double>(percentile(measured.until_read, 99)) / 1e3, look,
        most_turns);
    return measured.turns.size() == samples && most_turns <= k && look < 100 ? 0 : 1;
}
