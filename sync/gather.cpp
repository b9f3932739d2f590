// SPDX-License-Identifier: BSL-1.0
#include <tendril/sync/gather.hpp>

#include <exception>

namespace tendril::detail {
namespace {

enum class on_failure_of_one { stop, go_on };

// The place of the first one that failed, if that is to stop it; or else their number.
std::size_t await_each(const std::vector<awaited>& them, on_failure_of_one rule) {
    endings ended(them);
    for (std::size_t left = them.size(); left > 0; --left) {
        const std::size_t one = *ended.next();
        if (rule == on_failure_of_one::stop && them[one].error()) return one;
    }
    return them.size();
}

std::size_t await_or_end_all(const std::vector<awaited>& them, on_failure_of_one rule) {
    try {
        return await_each(them, rule);
    } catch (...) {
        end_all(them);
        for (const awaited& one : them) one.forgive();
        throw;
    }
}

}  // namespace

void await_all(const std::vector<awaited>& them) {
    const std::size_t failed = await_or_end_all(them, on_failure_of_one::stop);
    if (failed == them.size()) return;
    for (const awaited& one : them) one.forgive();
    std::rethrow_exception(them[failed].error());
}

void await_all_endings(const std::vector<awaited>& them) {
    await_or_end_all(them, on_failure_of_one::go_on);
}

}  // namespace tendril::detail
