// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/error.hpp>
#include <tendril/sync/race.hpp>

namespace tendril::detail {
namespace {

std::size_t first_to_end(const std::vector<awaited>& them) {
    endings ended(them);
    return *ended.next();
}

}  // namespace

std::size_t await_first(const std::vector<awaited>& them) {
    if (them.empty()) fail(errc::bad_argument, "race was given nobody to race");
    std::size_t winner = them.size();
    try {
        winner = first_to_end(them);
    } catch (...) {
        end_all(them);
        for (const awaited& one : them) one.forgive();
        throw;
    }
    end_all(them);
    for (const awaited& one : them) one.forgive();
    return winner;
}

}  // namespace tendril::detail
