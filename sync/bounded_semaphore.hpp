// bounded_semaphore.hpp - a semaphore that takes back only what it gave.
//
//     bounded_semaphore slots(10);
//     slots.acquire();
//     slots.release();
//     slots.release();                     // an error: that was one too many
//
// Python's BoundedSemaphore. Otherwise as semaphore.hpp says.
//
// Thread rule: any fiber of any thread; release() and the try_ forms without waiting
// also from hub callbacks. No allocation.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <tendril/runtime/clock.hpp>
#include <tendril/sync/semaphore.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>

namespace tendril {

class bounded_semaphore {
  public:
    // THROWS  fiber_error (bad_argument) for a negative number.
    explicit bounded_semaphore(std::ptrdiff_t tokens = 1) : tokens_(tokens) {}

    bounded_semaphore(const bounded_semaphore&) = delete;
    bounded_semaphore& operator=(const bounded_semaphore&) = delete;
    // REQUIRES  every wait has come back.
    ~bounded_semaphore() = default;

    // Takes a token, parks until there is one.
    // THROWS  what is thrown into the fiber (no token is taken then); fiber_error
    //         (in_hub).
    void acquire() { try_acquire_until(never); }

    // Takes a token if there is one and nobody waits for it. Does not park.
    bool try_acquire() noexcept { return note(tokens_.try_acquire()); }

    // As acquire(), but false when the time is over first.
    bool try_acquire_until(time_point deadline) {
        return note(tokens_.try_acquire_until(deadline));
    }

    template <class Rep, class Period>
    bool try_acquire_for(std::chrono::duration<Rep, Period> d) {
        return try_acquire_until(detail::from_now(d));
    }

    // Gives tokens back. Does not park.
    // THROWS  fiber_error: not_owner for more than have been taken; bad_argument for
    //         less than one.
    void release(std::ptrdiff_t tokens = 1);

    // Free tokens, or minus the number of fibers that wait.
    std::ptrdiff_t balance() const noexcept { return tokens_.balance(); }

  private:
    bool note(bool taken) noexcept {
        if (taken) taken_.fetch_add(1, std::memory_order_relaxed);
        return taken;
    }

    semaphore tokens_;
    std::atomic<std::ptrdiff_t> taken_{0};
};

}  // namespace tendril
