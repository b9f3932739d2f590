// thread_status.hpp - what the system knows of a thread of this process: from /proc, so
// by its id.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <tendril/runtime/clock.hpp>

#include <cstddef>
#include <cstdint>
#include <string>

#include <sys/types.h>

namespace tendril::detail {

struct thread_use {
    bool runnable = false;     // running, or ready to
    duration processor{};      // time it has had
    std::uint64_t faults = 0;  // page faults, with and without input
};

// Threads of this process; 0 if the system does not say.
std::size_t thread_count() noexcept;

// All zero if the system does not say.
thread_use use_of(pid_t thread);

// "read(5, pipe:[12345])", "futex"; empty if it is in no system call, or nobody knows.
std::string system_call_of(pid_t thread);

}  // namespace tendril::detail
