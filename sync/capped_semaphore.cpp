// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/error.hpp>
#include <tendril/sync/capped_semaphore.hpp>

#include <mutex>
#include <string>

namespace tendril {

capped_semaphore::capped_semaphore(std::ptrdiff_t tokens, std::ptrdiff_t limit)
    : tokens_(tokens), limit_(limit) {
    if (tokens < 0 || tokens > limit) {
        detail::fail(errc::bad_argument, "a capped_semaphore cannot begin with " +
                                             std::to_string(tokens) + " tokens of " +
                                             std::to_string(limit));
    }
}

// Whoever waits to give, waits because there is no room: it gets what room there is.
bool capped_semaphore::take(wait_queue::taken_one& woken) noexcept {
    if (!givers_.empty()) {
        woken.set(givers_.take_first());
        return true;
    }
    if (tokens_ == 0) return false;
    --tokens_;
    return true;
}

bool capped_semaphore::give(wait_queue::taken_one& woken) noexcept {
    if (!takers_.empty()) {
        woken.set(takers_.take_first());
        return true;
    }
    if (tokens_ == limit_) return false;
    ++tokens_;
    return true;
}

bool capped_semaphore::try_acquire() noexcept {
    wait_queue::taken_one woken;
    const std::lock_guard held(lock_);
    return take(woken);
}

bool capped_semaphore::try_acquire_until(time_point deadline) {
    wait_queue::taken_one woken;
    auto held = wait_queue::hold_to_wait(lock_);
    if (take(woken)) return true;
    wait_queue::place here("capped_semaphore::acquire", true);
    return takers_.wait(held, here, deadline);
}

bool capped_semaphore::try_release() noexcept {
    wait_queue::taken_one woken;
    const std::lock_guard held(lock_);
    return give(woken);
}

bool capped_semaphore::try_release_until(time_point deadline) {
    wait_queue::taken_one woken;
    auto held = wait_queue::hold_to_wait(lock_);
    if (give(woken)) return true;
    wait_queue::place here("capped_semaphore::release", true);
    return givers_.wait(held, here, deadline);
}

std::ptrdiff_t capped_semaphore::balance() const noexcept {
    const std::lock_guard held(lock_);
    const auto takers = static_cast<std::ptrdiff_t>(takers_.size());
    const auto givers = static_cast<std::ptrdiff_t>(givers_.size());
    return (tokens_ - takers) - (limit_ - tokens_ - givers);
}

}  // namespace tendril
