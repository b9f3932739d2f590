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

}  // namespace tendril::detail
