// asleep.hpp - waiting until somebody else waits.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <tendril/runtime/hub.hpp>

#include <fstream>
#include <string>
#include <thread>

#include <sched.h>
#include <sys/types.h>

namespace tendril::test {

// Returns when the hub sleeps: when all its fibers wait, and it has looked for timers
// and for a deadlock. On another thread.
inline void wait_until_asleep(hub& h) {
    while (!hub_internals::watch(h).asleep) std::this_thread::yield();
}

// The same of another process, of which one thread is meant: its first.
inline void wait_until_asleep(pid_t process) {
    for (char state = 0; state != 'S'; sched_yield()) {
        std::ifstream file("/proc/" + std::to_string(process) + "/stat");
        std::string all;
        std::getline(file, all);
        state = all.at(all.rfind(')') + 2);
    }
}

}  // namespace tendril::test
