// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/error.hpp>
#include <tendril/sync/race.hpp>

#include <exception>
#include <utility>

namespace tendril::detail {

std::size_t await_first(const std::vector<awaited>& them, made_here& made) {
    if (them.empty()) fail(errc::bad_argument, "race was given nobody to race");
    endings ended(them);
    made.let_go();
    std::size_t winner = them.size();
    try {
        winner = *ended.next();
    } catch (...) {
        give_up(them, unending::waited_for);
        throw;
    }
    auto error = end_all(them, unending::waited_for);
    for (const awaited& one : them) one.forgive();
    if (error) std::rethrow_exception(std::move(error));
    return winner;
}

}  // namespace tendril::detail
