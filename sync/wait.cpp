// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/error.hpp>
#include <tendril/sync/wait.hpp>

namespace tendril::detail {
namespace {

bool is_enough(const awaited& ended, until rule) {
    switch (rule) {
        case until::first_completed:
            return true;
        case until::first_exception: {
            const auto error = ended.error();
            return error && !ends_quietly(error);
        }
        case until::all_completed:
            break;
    }
    return false;
}

}  // namespace

void wait_until(const std::vector<awaited>& them, until rule, time_point deadline) {
    if (them.empty()) fail(errc::bad_argument, "wait was given nothing to wait for");
    endings ended(them);
    for (std::size_t left = them.size(); left > 0; --left) {
        const auto one = ended.next(deadline);
        if (!one || is_enough(them[*one], rule)) return;
    }
}

}  // namespace tendril::detail
