// capped_semaphore.hpp - a semaphore with room for so many tokens: to give one parks,
// too, while there is no room.
//
//     capped_semaphore items(0, 3);        // none yet, three at most
//     items.release();                     // parks if there are three
//     items.acquire();                     // parks if there is none
//
// eventlet's CappedSemaphore: a bounded buffer without its items. First come, first
// served at both ends.
//
// Thread rule: any fiber of any thread; the try_ forms without waiting also from hub
// callbacks. No allocation.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <tendril/runtime/clock.hpp>
#include <tendril/sync/wait_queue.hpp>

#include <chrono>
#include <cstddef>

namespace tendril {

class capped_semaphore {
  public:
    // `limit` 0: each acquire() meets a release().
    // THROWS  fiber_error (bad_argument) for negative ones, or more tokens than
    //         `limit`.
    capped_semaphore(std::ptrdiff_t tokens, std::ptrdiff_t limit);
    capped_semaphore(const capped_semaphore&) = delete;
    capped_semaphore& operator=(const capped_semaphore&) = delete;
    // REQUIRES  every wait has come back.
    ~capped_semaphore() = default;

    // Takes a token, parks until there is one.
    // THROWS  what is thrown into the fiber (no token is taken then); fiber_error
    //         (in_hub).
    void acquire() { try_acquire_until(never); }

    bool try_acquire() noexcept;
    bool try_acquire_until(time_point deadline);

    template <class Rep, class Period>
    bool try_acquire_for(std::chrono::duration<Rep, Period> d) {
        return try_acquire_until(detail::from_now(d));
    }

    // Gives a token, parks until there is room.
    // THROWS  what is thrown into the fiber (no token is given then); fiber_error
    //         (in_hub).
    void release() { try_release_until(never); }

    bool try_release() noexcept;
    bool try_release_until(time_point deadline);

    template <class Rep, class Period>
    bool try_release_for(std::chrono::duration<Rep, Period> d) {
        return try_release_until(detail::from_now(d));
    }

    // What acquire() would find, less what release() would: tokens, minus those who
    // wait for one, minus the room, plus those who wait for room. As eventlet has it.
    std::ptrdiff_t balance() const noexcept;

  private:
    bool take(wait_queue::taken_one& woken) noexcept;
    bool give(wait_queue::taken_one& woken) noexcept;

    mutable wait_queue::lock lock_;
    wait_queue takers_;
    wait_queue givers_;
    std::ptrdiff_t tokens_;
    std::ptrdiff_t limit_;
};

}  // namespace tendril
