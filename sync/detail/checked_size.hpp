// checked_size.hpp - a size that was meant.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <tendril/runtime/error.hpp>

#include <cstddef>
#include <cstdint>
#include <string>

namespace tendril::detail {

// One above this was negative where it came from.
// THROWS  fiber_error (bad_argument), for `what`, as in "a queue's room".
inline std::size_t checked_size(std::size_t size, const char* what) {
    if (size <= PTRDIFF_MAX) return size;
    fail(errc::bad_argument, std::string(what) + " cannot be " +
                                 std::to_string(static_cast<std::ptrdiff_t>(size)));
}

}  // namespace tendril::detail
