// watchdog.hpp - names the fiber that keeps its hub from all the others.
//
//     const tendril::watchdog dog;     // what blocks for 100 ms is told to stderr
//
//     tendril: hub 0 has not switched for 0.104 s: fiber 7 'reader' (made at
//     server.cpp:31) is in read(5, pipe:[12345])
//         #0 read +0x4d in /lib/x86_64-linux-gnu/libc.so.6 (+0x1012ad)
//         #1 parse(std::string) +0x1b in ./server (+0x4711)
//
// A thread of its own looks at every hub of the process a few times in each limit. A
// hub that sleeps, or has no fibers but main, blocks nobody. A thread that is ready to
// run and gets no processor waits for the machine: for one that computes, the limit is
// of its own processor time.
//
// Each blockage is told of once. For the frames, the blocked thread is interrupted by a
// signal, SIGURG if you do not choose another, which does nothing where nobody handles
// it. Calls that restart after a signal do; the few that do not (nanosleep, poll, see
// signal(7)) return EINTR then, once.
//
// Costs the hubs one instruction a switch, whether there is a watchdog or not; and a
// look is a microsecond of its own thread.
//
// Thread rule: make it and destroy it on any thread; one at a time in the process.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <tendril/runtime/clock.hpp>

#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace tendril {

// A fiber that blocks its hub.
struct blockage {
    std::uint64_t fiber = 0;  // its id; 0: its thread did not answer
    std::string name;         // "fiber 7 'reader' (made at server.cpp:31)"
    // "read(5, pipe:[12345])"; or, in no call, "computing (98 ms of processor time, 0
    // page faults)".
    std::string activity;
    duration lasted{};       // so far, at least
    std::size_t untold = 0;  // other ones since the last report, see `pause`
    std::string text;        // all of it, with the frames; several lines
};

struct watchdog_options {
    duration limit = std::chrono::milliseconds(100);
    // Called on the watchdog's thread. What it throws goes to the exception hook.
    // Empty: the text goes to stderr.
    std::function<void(const blockage&)> report{};
    duration pause = std::chrono::seconds(1);  // from one report to the next, at least
    int signal = SIGURG;
};

class watchdog {
  public:
    // THROWS  fiber_error: already_set if there is one, bad_argument for a limit below
    //         a millisecond or a signal that somebody handles; std::system_error.
    explicit watchdog(watchdog_options options = {});
    watchdog(const watchdog&) = delete;
    watchdog& operator=(const watchdog&) = delete;
    // Returns when no report is under way. Not from `report`.
    ~watchdog();

  private:
    class patrol;
    std::unique_ptr<patrol> patrol_;
};

}  // namespace tendril
