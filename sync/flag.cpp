// SPDX-License-Identifier: BSL-1.0
#include <tendril/sync/flag.hpp>

#include <mutex>

namespace tendril {

void flag::set() noexcept {
    wait_queue::taken woken;
    const std::lock_guard held(lock_);
    up_ = true;
    while (!line_.empty()) woken.add(line_.take_first());
}

void flag::clear() noexcept {
    const std::lock_guard held(lock_);
    up_ = false;
}

bool flag::is_set() const noexcept {
    const std::lock_guard held(lock_);
    return up_;
}

bool flag::wait_until(time_point deadline) {
    auto held = wait_queue::hold_to_wait(lock_);
    if (up_) return true;
    wait_queue::place here("flag");
    return line_.wait(held, here, deadline);
}

}  // namespace tendril
