// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/detail/spin_lock.hpp>

#include <mutex>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

using tendril::detail::spin_lock;

TEST_SUITE_BEGIN("runtime/detail/spin_lock");

namespace {

// Held from before the process has a second thread until that has looked at it.
bool first_thread_is_kept_out() {
    spin_lock lock;
    bool got_it = lock.try_lock() && lock.try_lock();
    if (got_it) return false;
    std::thread([&] { got_it = lock.try_lock(); }).join();
    lock.unlock();
    return !got_it && lock.try_lock();
}

}  // namespace

TEST_CASE("a lock taken while there was one thread is kept from the next") {
    CHECK(first_thread_is_kept_out());
}

TEST_CASE("no two threads hold a lock at once") {
    constexpr int each = 20'000;
    spin_lock lock;
    long count = 0;
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
        threads.emplace_back([&] {
            for (int k = 0; k < each; ++k) {
                const std::lock_guard held(lock);
                ++count;
            }
        });
    }
    for (std::thread& t : threads) t.join();
    CHECK(count == 4L * each);
}

TEST_SUITE_END();
