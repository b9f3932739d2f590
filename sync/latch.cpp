// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/error.hpp>
#include <tendril/sync/latch.hpp>

#include <mutex>
#include <string>

namespace tendril {

latch::latch(std::ptrdiff_t count) : count_(count) {
    if (count < 0) {
        detail::fail(errc::bad_argument,
                     "a latch cannot count down from " + std::to_string(count));
    }
}

void latch::count_down(std::ptrdiff_t by) {
    wait_queue::taken woken;
    std::unique_lock held(lock_);
    if (by < 0 || by > count_) {
        const std::ptrdiff_t left = count_;
        held.unlock();
        detail::fail(errc::bad_argument, "a latch was counted down by " +
                                             std::to_string(by) + ", with " +
                                             std::to_string(left) + " left");
    }
    count_ -= by;
    if (count_ > 0) return;
    while (!line_.empty()) woken.add(line_.take_first());
}

std::ptrdiff_t latch::pending() const noexcept {
    const std::lock_guard held(lock_);
    return count_;
}

bool latch::wait_until(time_point deadline) {
    auto held = wait_queue::hold_to_wait(lock_);
    if (count_ == 0) return true;
    wait_queue::place here("latch");
    return line_.wait(held, here, deadline);
}

}  // namespace tendril
