// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/detail/quiet_threads.hpp>

#include <pthread.h>

namespace tendril::detail {

void add_quiet_thread() noexcept {
    // The child of a fork has none of them.
    [[maybe_unused]] static const int once =
        pthread_atfork(nullptr, nullptr, [] { quiet_threads.store(0); });
    quiet_threads.fetch_add(1);
}

}  // namespace tendril::detail
