// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/hub.hpp>
#include <tendril/sync/wait_for.hpp>

#include <exception>
#include <utility>

namespace tendril::detail {
namespace {

bool ends_in_time(const std::vector<awaited>& one, made_here& made, duration d) {
    if (one[0].done()) return true;
    endings ended(one);
    made.let_go();
    try {
        return d != duration::zero() && ended.next(from_now(d));
    } catch (...) {
        give_up(one, unending::left_alone);
        throw;
    }
}

}  // namespace

void await_for(const std::vector<awaited>& one, made_here& made, duration d) {
    if (ends_in_time(one, made, d)) return;
    if (auto error = end_all(one, unending::left_alone)) {
        one[0].forgive();
        std::rethrow_exception(std::move(error));
    }
    if (!one[0].done()) {
        one[0].forgive();
        fail_late(d);
    }
    const auto error = one[0].error();
    if (error && ends_quietly(error)) fail_late(d);
}

}  // namespace tendril::detail
