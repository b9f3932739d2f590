// shared_mutex.hpp - many who read, or one who writes.
//
//     shared_mutex m;
//     std::shared_lock reading(m);
//     std::unique_lock writing(m);
//
// First come, first served: a reader does not pass a writer who waits already, so that
// neither starves the other; readers next to each other in line go in together.
//
// Whoever holds it shared and locks it, or the other way round, waits for itself; a
// lock by the writer who has it is an error.
//
// Thread rule: any fiber of any thread; in hub callbacks only the try_ forms without a
// time, and the unlocks. No allocation.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <tendril/runtime/clock.hpp>
#include <tendril/sync/wait_queue.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <mutex>

namespace tendril {

class shared_mutex {
  public:
    shared_mutex() = default;
    shared_mutex(const shared_mutex&) = delete;
    shared_mutex& operator=(const shared_mutex&) = delete;
    // REQUIRES  not locked, and every wait has come back.
    ~shared_mutex() = default;

    // -- to write

    // Parks until the mutex is the caller's alone.
    // THROWS  what is thrown into the fiber (it is not its own then); fiber_error:
    //         in_hub; already_set when the caller is its writer.
    void lock() { try_lock_until(never); }

    // Does not park.
    bool try_lock();

    // As lock(), but false when the time is over first.
    bool try_lock_until(time_point deadline);

    template <class Rep, class Period>
    bool try_lock_for(std::chrono::duration<Rep, Period> d) {
        return try_lock_until(detail::from_now(d));
    }

    // Lets the next in. Does not park.
    // THROWS  fiber_error (not_owner) when the caller is not its writer.
    void unlock();

    // -- to read: the same, with others who read
    // THROWS  unlock_shared: fiber_error (not_owner) when nobody holds it shared.

    void lock_shared() { try_lock_shared_until(never); }

    bool try_lock_shared();
    bool try_lock_shared_until(time_point deadline);

    template <class Rep, class Period>
    bool try_lock_shared_for(std::chrono::duration<Rep, Period> d) {
        return try_lock_shared_until(detail::from_now(d));
    }

    void unlock_shared();

  private:
    struct waiting;

    bool wait(std::unique_lock<wait_queue::lock>& held,
              waiting& here,
              time_point deadline);
    void let_in(wait_queue::taken& woken) noexcept;
    void let_others_in() noexcept;
    void fail_if_writer(std::unique_lock<wait_queue::lock>& held,
                        std::uint64_t caller) const;

    wait_queue::lock lock_;
    wait_queue line_;
    std::size_t readers_ = 0;
    std::uint64_t writer_ = 0;  // id of the fiber; 0: nobody
};

}  // namespace tendril
