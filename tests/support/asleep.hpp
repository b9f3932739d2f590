// asleep.hpp - waiting until somebody else waits.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <tendril/runtime/hub.hpp>

#include <array>
#include <cstdio>
#include <cstring>
#include <thread>

#include <fcntl.h>
#include <sched.h>
#include <sys/types.h>
#include <unistd.h>

namespace tendril::test {

// Returns when the hub sleeps: when all its fibers wait, and it has looked for timers;
// under virtual_time, for a deadlock, too. On another thread.
inline void wait_until_asleep(hub& h) {
    while (!hub_internals::watch(h).asleep) std::this_thread::yield();
}

// The same of another process, of which one thread is meant: its first. Takes no
// memory, so that the child of a process with threads may call it.
inline void wait_until_asleep(pid_t process) {
    std::array<char, 32> path{};
    std::snprintf(path.data(), path.size(), "/proc/%d/stat", process);
    for (char state = 0; state != 'S'; sched_yield()) {
        std::array<char, 512> text{};
        const int file = open(path.data(), O_RDONLY | O_CLOEXEC);
        if (file < 0 || read(file, text.data(), text.size() - 1) <= 0) _exit(1);
        close(file);
        state = std::strrchr(text.data(), ')')[2];
    }
}

}  // namespace tendril::test
