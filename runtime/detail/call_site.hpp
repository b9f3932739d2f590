// call_site.hpp - where in the user's source a fiber was spawned or a timer armed.
//
// std::source_location in all but name: clang 14 cannot compile libstdc++ 12's.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

namespace tendril {

struct call_site {
    const char* file = "";
    const char* function = "";
    unsigned long line = 0;  // as wide as the rest, to be copied in one piece

    static constexpr call_site current(const char* file = __builtin_FILE(),
                                       const char* function = __builtin_FUNCTION(),
                                       unsigned long line = __builtin_LINE()) noexcept {
        return {file, function, line};
    }
};

}  // namespace tendril
