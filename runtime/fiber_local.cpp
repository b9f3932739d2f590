// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/fiber_local.hpp>

#include <atomic>

namespace tendril::detail {

std::size_t new_local_slot() noexcept {
    static std::atomic<std::size_t> slots{0};
    return slots.fetch_add(1, std::memory_order_relaxed);
}

void drop_locals(fiber_core& core) noexcept {
    if (!core.extras) return;
    std::vector<local_value>& locals = core.extras->locals;
    while (!locals.empty()) {
        const local_value last = locals.back();
        locals.pop_back();
        if (last.value != nullptr) last.drop(last.value);
    }
}

}  // namespace tendril::detail
