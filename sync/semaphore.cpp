// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/error.hpp>
#include <tendril/sync/semaphore.hpp>

#include <limits>
#include <mutex>
#include <string>

namespace tendril {

semaphore::semaphore(std::ptrdiff_t tokens) : free_(tokens) {
    if (tokens < 0) {
        detail::fail(errc::bad_argument, "a semaphore cannot begin with " +
                                             std::to_string(tokens) + " tokens");
    }
}

bool semaphore::try_acquire() noexcept {
    const std::lock_guard held(lock_);
    if (free_ == 0) return false;
    --free_;
    return true;
}

bool semaphore::try_acquire_until(time_point deadline) {
    auto held = wait_queue::hold_to_wait(lock_);
    // release() hands tokens on directly, so a free one means that nobody waits.
    if (free_ > 0) {
        --free_;
        return true;
    }
    wait_queue::place here("semaphore", true);
    return line_.wait(held, here, deadline);
}

void semaphore::release(std::ptrdiff_t tokens) {
    if (tokens < 1) {
        detail::fail(errc::bad_argument,
                     "a semaphore was given " + std::to_string(tokens) + " tokens");
    }
    wait_queue::taken woken;
    std::unique_lock held(lock_);
    if (tokens > std::numeric_limits<std::ptrdiff_t>::max() - free_) {
        held.unlock();
        detail::fail(errc::bad_argument,
                     "a semaphore was given more tokens than it can count");
    }
    for (; tokens > 0 && !line_.empty(); --tokens) woken.add(line_.take_first());
    free_ += tokens;
}

std::ptrdiff_t semaphore::balance() const noexcept {
    const std::lock_guard held(lock_);
    return free_ > 0 ? free_ : -static_cast<std::ptrdiff_t>(line_.size());
}

}  // namespace tendril
