// SPDX-License-Identifier: BSL-1.0
#include <tendril/sync/gather.hpp>

#include <exception>

namespace tendril::detail {
namespace {

enum class on_failure_of_one { stop, go_on };

// The place of the first one that failed, if that is to stop it; or else their number.
std::size_t await_each(const std::vector<awaited>& them,
                       made_here& made,
                       on_failure_of_one rule) {
    endings ended(them);
    made.let_go();
    try {
        for (std::size_t left = them.size(); left > 0; --left) {
            const std::size_t one = *ended.next();
            if (rule == on_failure_of_one::stop && them[one].error()) return one;
        }
    } catch (...) {
        give_up(them, unending::left_alone);
        throw;
    }
    return them.size();
}

}  // namespace

void await_all(const std::vector<awaited>& them, made_here& made) {
    const std::size_t failed = await_each(them, made, on_failure_of_one::stop);
    if (failed == them.size()) return;
    for (const awaited& one : them) one.forgive();
    std::rethrow_exception(them[failed].error());
}

void await_all_endings(const std::vector<awaited>& them, made_here& made) {
    await_each(them, made, on_failure_of_one::go_on);
}

}  // namespace tendril::detail
