// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/hub.hpp>
#include <tendril/sync/wait_for.hpp>

namespace tendril::detail {
namespace {

bool ends_in_time(const std::vector<awaited>& one, duration d) {
    if (one[0].done()) return true;
    if (d == duration::zero()) return false;
    endings ended(one);
    return ended.next(from_now(d)).has_value();
}

}  // namespace

void await_for(const std::vector<awaited>& one, duration d) {
    try {
        if (ends_in_time(one, d)) return;
    } catch (...) {
        end_all(one);
        one[0].forgive();
        throw;
    }
    end_all(one);
    const auto error = one[0].error();
    if (error && ends_quietly(error)) fail_late(d);
}

}  // namespace tendril::detail
