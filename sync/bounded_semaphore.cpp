// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/error.hpp>
#include <tendril/sync/bounded_semaphore.hpp>

#include <string>

namespace tendril {

void bounded_semaphore::release(std::ptrdiff_t tokens) {
    std::ptrdiff_t taken = taken_.load(std::memory_order_relaxed);
    do {
        if (tokens > taken) {
            detail::fail(errc::not_owner, "a bounded_semaphore was given back " +
                                              std::to_string(tokens) +
                                              " tokens, of which " +
                                              std::to_string(taken) + " were taken");
        }
    } while (tokens > 0 && !taken_.compare_exchange_weak(taken, taken - tokens,
                                                         std::memory_order_relaxed));
    tokens_.release(tokens);
}

}  // namespace tendril
