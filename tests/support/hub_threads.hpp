// hub_threads.hpp - several threads at once, each with a hub of its own.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <tendril/runtime/run.hpp>
#include <tendril/runtime/sleep.hpp>

#include <exception>
#include <latch>
#include <thread>
#include <vector>

namespace tendril::test {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define TENDRIL_TEST_SANITIZED
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define TENDRIL_TEST_SANITIZED
#endif
#endif

// ThreadSanitizer has a thread of its own, and does not follow fibers into a forked
// process that had more than one.
#if defined(__SANITIZE_THREAD__)
inline constexpr bool under_tsan = true;
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
inline constexpr bool under_tsan = true;
#else
inline constexpr bool under_tsan = false;
#endif
#else
inline constexpr bool under_tsan = false;
#endif

#if defined(TENDRIL_TEST_SANITIZED)
inline constexpr bool sanitized = true;
#else
inline constexpr bool sanitized = false;
#endif

// As many repetitions as a build can do in a few seconds.
constexpr int repetitions(int plain) {
    return sanitized ? plain / 20 : plain;
}

// Lets other threads run, and the other fibers of this one.
inline void give_way() {
    std::this_thread::yield();
    yield();
}

// Runs f(0) ... f(count - 1) as fibers, each on a thread of its own, all at once, and
// waits, without its hub, until all have ended. Throws what the first of them threw.
template <class F>
void on_threads(int count, F f) {
    std::vector<std::exception_ptr> errors(static_cast<std::size_t>(count));
    std::latch all_there(count);
    {
        std::vector<std::jthread> threads;
        for (int i = 0; i < count; ++i) {
            threads.emplace_back([&, i] {
                all_there.arrive_and_wait();
                try {
                    run([&] { f(i); });
                } catch (...) {
                    errors[static_cast<std::size_t>(i)] = std::current_exception();
                }
            });
        }
    }
    for (const std::exception_ptr& e : errors) {
        if (e) std::rethrow_exception(e);
    }
}

}  // namespace tendril::test
