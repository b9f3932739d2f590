// fork_guard.hpp - what becomes of hubs when the process forks: nothing, in the child.
//
// The child of a fork has one thread, and copies of fibers that go on in the parent; it
// shares the parent's epoll and eventfd descriptors. Were it to run on, requests would
// be answered twice and wake-ups stolen. So in the child of a process that has had a
// hub, what needs one is an error (fiber_error: forked), and a fiber or callback that
// comes to its end there ends the child by abort(), with a sentence on stderr. To exec,
// or to _exit(), is fine.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <atomic>
#include <memory>

namespace tendril::detail {

// This is such a child.
inline std::atomic<bool> in_forked_child{false};

// Before the first hub of the process.
void watch_forks() noexcept;

[[noreturn]] void abort_in_child() noexcept;

// In such a child: what has threads or processes of the parent's is never destroyed.
void keep_for_parent(std::shared_ptr<void> it) noexcept;

// After anything that was the user's, where the hub would go on.
inline void require_parent() noexcept {
    if (in_forked_child.load(std::memory_order_relaxed)) [[unlikely]]
        abort_in_child();
}

}  // namespace tendril::detail
