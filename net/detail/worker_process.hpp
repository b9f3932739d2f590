// worker_process.hpp - what a worker of a process pool does, and what it says.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <tendril/net/detail/process_call.hpp>
#include <tendril/net/detail/wire.hpp>

#include <cstdint>

namespace tendril::detail {

// Then `size` bytes of request.
struct request_header {
    process_entry entry;
    std::uint64_t size;
};

// Then `size` bytes: the result, or the type and the text of what was thrown.
struct reply_header {
    std::uint64_t failed;
    std::uint64_t size;
};

// Answers requests until its socket comes to an end.
void work_for_parent(int socket) noexcept;

}  // namespace tendril::detail
