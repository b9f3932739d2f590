// quiet_threads.hpp - threads of the library's own that wake no fiber as they are: a
// watchdog's, and those of a pool that have no work. See deadlock.hpp.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <atomic>

namespace tendril::detail {

// Never more than there are: a thread is counted once it is there, and not any more
// before it ends, or is given something to do.
inline std::atomic<int> quiet_threads{0};

void add_quiet_thread() noexcept;

inline void remove_quiet_thread() noexcept {
    quiet_threads.fetch_sub(1);
}

// That of a thread with a hub. Down before the thread takes a letter, which may make it
// do anything: so who finds the mark up, and then no letter, and then as many quiet
// threads as before, knows that it does nothing.
class quiet_mark {
  public:
    // By the thread itself.
    void raise() noexcept {
        up_.store(true);
        add_quiet_thread();
    }

    // By the thread, or by whoever is about to wake it.
    void lower() noexcept {
        if (is_up() && up_.exchange(false)) remove_quiet_thread();
    }

    bool is_up() const noexcept { return up_.load(); }

  private:
    std::atomic<bool> up_{false};
};

}  // namespace tendril::detail
