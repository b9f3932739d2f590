// thread_probe.hpp - asks a thread where it is, whatever it is doing: by a signal,
// whose handler takes down the answer on that thread.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <tendril/runtime/clock.hpp>
#include <tendril/runtime/detail/call_site.hpp>

#include <csignal>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <pthread.h>
#include <sys/types.h>

namespace tendril::detail {

struct thread_answer {
    std::uint64_t fiber = 0;  // the one that runs
    std::string name;         // as describe() has it
    std::vector<void*> frames;
};

// At most one in the process.
class thread_probe {
  public:
    // Handles `signal` from here on.
    // THROWS  fiber_error (bad_argument) if somebody else does; std::system_error.
    explicit thread_probe(int signal);
    thread_probe(const thread_probe&) = delete;
    thread_probe& operator=(const thread_probe&) = delete;
    ~thread_probe();

    // Nothing if the thread does not take the signal within `patience`.
    // REQUIRES  the thread exists, and has a hub.
    std::optional<thread_answer> ask(pthread_t thread, pid_t id, duration patience);

  private:
    int signal_;

    struct sigaction before_ {};
};

}  // namespace tendril::detail
