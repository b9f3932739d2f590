// SPDX-License-Identifier: BSL-1.0
#include <tendril/sync/wait_queue.hpp>

namespace tendril {

bool wait_queue::place::leave_line(detail::waiter& w) noexcept {
    auto& self = static_cast<place&>(w);
    const std::lock_guard held(*self.guard_);
    if (!self.linked()) return false;
    self.unlink();
    --*self.length_;
    return true;
}

// But when its thread gives the fiber up: what it waits for would be lost with it.
bool wait_queue::place::stay_in_line(detail::waiter& w) noexcept {
    return w.fiber.state == detail::fiber_state::done && leave_line(w);
}

}  // namespace tendril
