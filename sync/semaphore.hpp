// semaphore.hpp - a number of tokens that fibers take and give back.
//
//     semaphore slots(10);                 // at most ten at a time
//     slots.acquire();
//     ...
//     slots.release();
//
// Tokens go to those who wait in the order they came; nobody overtakes, and a token
// given to a fiber that is killed later is still its own to give back.
//
// Thread rule: any fiber of any thread; release() and the try_ forms without waiting
// also from hub callbacks.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <tendril/runtime/clock.hpp>
#include <tendril/sync/wait_queue.hpp>

#include <chrono>
#include <cstddef>

namespace tendril {

class semaphore {
  public:
    // THROWS  fiber_error (bad_argument) for a negative number.
    explicit semaphore(std::ptrdiff_t tokens = 1);
    semaphore(const semaphore&) = delete;
    semaphore& operator=(const semaphore&) = delete;
    // REQUIRES  every wait has come back.
    ~semaphore() = default;

    // Takes a token, parks until there is one.
    // THROWS  what is thrown into the fiber (no token is taken then); fiber_error
    // (in_hub).
    void acquire() { try_acquire_until(never); }

    // Takes a token if there is one and nobody waits for it. Does not park.
    bool try_acquire() noexcept;

    // As acquire(), but false when the time is over first.
    bool try_acquire_until(time_point deadline);

    template <class Rep, class Period>
    bool try_acquire_for(std::chrono::duration<Rep, Period> d) {
        return try_acquire_until(detail::from_now(d));
    }

    // Gives tokens back, or new ones; hands them to those who wait. Does not park.
    // THROWS  fiber_error (bad_argument) for less than one, or more than can be
    // counted.
    void release(std::ptrdiff_t tokens = 1);

    // Free tokens, or minus the number of fibers that wait (eventlet's balance).
    std::ptrdiff_t balance() const noexcept;

  private:
    mutable wait_queue::lock lock_;
    wait_queue line_;
    std::ptrdiff_t free_;
};

}  // namespace tendril
