// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/detail/quiet_threads.hpp>

#include <pthread.h>

namespace tendril::detail {
namespace {

// The child of a fork has none of them. Not in a function: were another thread in it
// during the fork, the child would wait for that one to leave it.
[[maybe_unused]] const int reset_in_child =
    pthread_atfork(nullptr, nullptr, [] { quiet_threads.store(0); });

}  // namespace

void add_quiet_thread() noexcept {
    quiet_threads.fetch_add(1);
}

}  // namespace tendril::detail
