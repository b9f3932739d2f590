// doorbell.hpp - how a sleeping hub is woken: a flag, and an eventfd to write to.
//
// Doorbells are never freed, only handed to the next hub: a thread that has just put a
// letter into a mailbox may ring after the hub has read the letter, finished, and gone.
// Ringing a successor's bell is a wake-up for nothing, and harmless.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <atomic>

namespace tendril::detail {

// The flag. Up while its owner sleeps, or is about to.
template <template <class> class Atomic>
class basic_sleep_flag {
  public:
    void raise() noexcept { up_.store(true); }

    void lower() noexcept { up_.store(false); }

    // True for one caller each time it was up: that one has to wake the owner.
    bool take_down() noexcept { return up_.exchange(false); }

    bool is_up() const noexcept { return up_.load(std::memory_order_relaxed); }

  private:
    Atomic<bool> up_{false};
};

class doorbell {
  public:
    // A bell for the calling thread's hub; an old one if there is one.
    // THROWS  std::system_error when descriptors have run out.
    static doorbell& acquire();

    // The hub is gone; the next acquire() may have it.
    void give_back() noexcept;

    // -- owner
    // From here to awake(), somebody who rings makes fd() readable. What was sent
    // before must be looked for after this call: its sender may have found the hub
    // awake.
    void going_to_sleep() noexcept { asleep_.raise(); }

    void awake() noexcept { asleep_.lower(); }

    // Forgets past rings. For drivers that wait for fd() level-triggered.
    void drain() noexcept;

    // The descriptor to wait for (POLLIN). Stays the same and stays open.
    int fd() const noexcept { return fd_; }

    // Rings all that there are. Also in signal handlers.
    static void ring_all() noexcept;

    // -- any thread
    bool asleep() const noexcept { return asleep_.is_up(); }

    // At most one system call per sleep: whoever takes the flag down does the waking.
    void ring() noexcept {
        if (asleep_.take_down()) write();
    }

  private:
    doorbell() = default;
    void write() noexcept;

    basic_sleep_flag<std::atomic> asleep_;
    int fd_ = -1;
    doorbell* next_ = nullptr;    // in the list of those given back
    doorbell* before_ = nullptr;  // made before this one
};

}  // namespace tendril::detail
