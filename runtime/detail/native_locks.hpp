// native_locks.hpp - what the fibers of a thread hold of the C library's locks.
//
// Linking it puts pthread_mutex_lock and its like into the executable.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <tendril/runtime/detail/fiber_core.hpp>

#include <atomic>
#include <cstdint>
#include <span>

namespace tendril::detail {

// Taken and freed in single steps, since a signal handler may lock, too.
struct held_lock {
    std::atomic<const volatile void*> lock{nullptr};  // null: free
    std::uint64_t fiber = 0;
    const char* kind = nullptr;
    void* place = nullptr;

    bool by(const fiber_core& core) const noexcept {
        return fiber == core.id && lock.load(std::memory_order_relaxed) != nullptr;
    }
};

// All that this thread has ever needed at once.
std::span<held_lock> locks_here() noexcept;

// How many want them to be noted.
inline std::atomic<int> lock_checks{0};

// Looks at what `core` holds, which may have been given back by another fiber.
void refresh_held(fiber_core& core) noexcept;

}  // namespace tendril::detail
