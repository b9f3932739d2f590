// spin_lock.hpp - the lock inside sync's primitives.
//
// Held for a few dozen instructions, never across a park and never while user code
// runs, so a waiter spins briefly; if the holder was preempted it gives up its slice.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <atomic>

#include <sched.h>

namespace tendril::detail {

class spin_lock {
  public:
    void lock() noexcept {
        while (held_.exchange(true, std::memory_order_acquire)) wait_until_free();
    }

    bool try_lock() noexcept {
        return !held_.exchange(true, std::memory_order_acquire);
    }

    void unlock() noexcept { held_.store(false, std::memory_order_release); }

  private:
    void wait_until_free() const noexcept {
        for (int spins = 0; held_.load(std::memory_order_relaxed); ++spins) {
            if (spins < 64) {
#if defined(__x86_64__) || defined(__i386__)
                __builtin_ia32_pause();
#endif
            } else {
                sched_yield();
            }
        }
    }

    std::atomic<bool> held_{false};
};

}  // namespace tendril::detail
