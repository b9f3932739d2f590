// SPDX-License-Identifier: BSL-1.0
#include <tendril/sync/recursive_mutex.hpp>

namespace tendril {

bool recursive_mutex::try_lock() {
    if (!mutex_.is_mine() && !mutex_.try_lock()) return false;
    ++depth_;
    return true;
}

bool recursive_mutex::try_lock_until(time_point deadline) {
    if (!mutex_.is_mine() && !mutex_.try_lock_until(deadline)) return false;
    ++depth_;
    return true;
}

void recursive_mutex::unlock() {
    // Who does not hold it is told so by the mutex.
    if (mutex_.is_mine() && --depth_ > 0) return;
    mutex_.unlock();
}

}  // namespace tendril
