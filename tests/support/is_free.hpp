// is_free.hpp - whether nobody has a mutex.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <tendril/sync/mutex.hpp>

namespace tendril::test {

inline bool is_free(mutex& m) {
    if (!m.try_lock()) return false;
    m.unlock();
    return true;
}

}  // namespace tendril::test
