// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/context_var.hpp>

#include <algorithm>

namespace tendril {
namespace {

auto of(const void* variable) {
    return
        [=](const detail::context_values::entry& e) { return e.variable == variable; };
}

}  // namespace

std::shared_ptr<const void> detail::context_value(const void* variable) {
    const auto& values = current_scheduler().current->context;
    if (!values) return nullptr;
    const auto& entries = values->entries;
    const auto found = std::find_if(entries.begin(), entries.end(), of(variable));
    return found != entries.end() ? found->value : nullptr;
}

std::shared_ptr<const void> detail::set_context_value(
    const void* variable, std::shared_ptr<const void> value) {
    auto& values = current_scheduler().current->context;
    auto changed = values ? std::make_shared<context_values>(*values)
                          : std::make_shared<context_values>();
    auto& entries = changed->entries;
    const auto found = std::find_if(entries.begin(), entries.end(), of(variable));
    std::shared_ptr<const void> before;
    if (found != entries.end()) {
        before = std::move(found->value);
        if (value) {
            found->value = std::move(value);
        } else {
            entries.erase(found);
        }
    } else if (value) {
        entries.push_back({variable, std::move(value)});
    }
    values = std::move(changed);
    return before;
}

context context::current() {
    return context(detail::current_scheduler().current->context);
}

}  // namespace tendril
