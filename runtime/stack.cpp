// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/detail/scheduler.hpp>
#include <tendril/runtime/stack.hpp>

namespace tendril {

std::size_t set_default_stack_size(std::size_t bytes) {
    detail::stack_pool& pool = detail::current_scheduler().stacks;
    const std::size_t before = pool.default_size();
    pool.set_default_size(bytes);
    return before;
}

}  // namespace tendril
