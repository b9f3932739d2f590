// spin_lock.hpp - the lock inside sync's primitives.
//
// Held for a few dozen instructions, never across a park and never while user code
// runs, so a waiter spins briefly; if the holder was preempted it gives up its slice.
//
// In a process of one thread it costs two plain stores: a locked exchange takes longer
// than the rest of most calls. Nobody starts a thread while holding it, and the start
// of one orders all that was stored before.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <atomic>

#include <sched.h>
#include <sys/single_threaded.h>

namespace tendril::detail {

class spin_lock {
  public:
    void lock() noexcept {
        while (!try_lock()) wait_until_free();
    }

    bool try_lock() noexcept {
        if (__libc_single_threaded != 0) {
            const bool free = !held_.load(std::memory_order_relaxed);
            held_.store(true, std::memory_order_relaxed);
            return free;
        }
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
