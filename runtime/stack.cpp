// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/detail/scheduler.hpp>
#include <tendril/runtime/detail/stack_use_log.hpp>
#include <tendril/runtime/stack.hpp>

#include <algorithm>
#include <new>

namespace tendril {

std::size_t set_default_stack_size(std::size_t bytes) {
    detail::stack_pool& pool = detail::current_scheduler().stacks;
    const std::size_t before = pool.default_size();
    pool.set_default_size(bytes);
    return before;
}

void detail::stack_use_log::note(const fiber_core& ended) noexcept {
    try {
        const std::size_t size = ended.memory.size;
        stack_use& use = at[{ended.site.file, ended.site.line, size}];
        use.where = ended.site;
        use.stack_size = size;
        use.most = std::max(use.most, resident_part(ended.memory));
        ++use.count;
    } catch (const std::bad_alloc&) {
        // This one is not counted.
    }
}

void record_stack_use(bool on) {
    detail::scheduler& s = detail::current_scheduler();
    if (on && !s.stack_uses) s.stack_uses = std::make_unique<detail::stack_use_log>();
    s.recording_stack_use = on;
    s.stacks.hand_out_clean(on);
}

std::vector<stack_use> recorded_stack_use() {
    const detail::scheduler& s = detail::current_scheduler();
    std::vector<stack_use> all;
    if (!s.stack_uses) return all;
    for (const auto& [where, use] : s.stack_uses->at) all.push_back(use);
    std::stable_sort(all.begin(), all.end(),
                     [](const auto& a, const auto& b) { return a.most > b.most; });
    return all;
}

}  // namespace tendril
