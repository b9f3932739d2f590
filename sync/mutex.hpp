// mutex.hpp - one fiber at a time; handed over in order, never grabbed on the way.
//
//     mutex m;
//     std::lock_guard held(m);             // std::unique_lock works too
//     std::scoped_lock both(from, to);     // several at once, without deadlock
//
// unlock() gives the mutex to the fiber that has waited longest: it is its owner from
// that moment, even if it is killed before it runs (it then unlocks as it unwinds). It
// is held by a fiber, not by a thread, and may be held across anything that parks.
//
// Thread rule: any fiber of any thread; in hub callbacks only try_lock(), and unlock()
// after it, in any callback of that hub.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <tendril/runtime/clock.hpp>
#include <tendril/sync/wait_queue.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <concepts>
#include <cstdint>
#include <functional>
#include <mutex>

namespace tendril {

class mutex {
  public:
    mutex() = default;
    mutex(const mutex&) = delete;
    mutex& operator=(const mutex&) = delete;
    // REQUIRES  not locked.
    ~mutex() = default;

    // Parks until the mutex is the caller's.
    // THROWS  what is thrown into the fiber (the mutex is not its own then);
    //         fiber_error: in_hub; already_set when the caller holds it already;
    //         deadlock when fibers of one thread would wait for each other in a circle.
    void lock() { try_lock_until(never); }

    // Does not park.
    bool try_lock();

    // As lock(), but false when the time is over first.
    bool try_lock_until(time_point deadline);

    template <class Rep, class Period>
    bool try_lock_for(std::chrono::duration<Rep, Period> d) {
        return try_lock_until(detail::from_now(d));
    }

    // Hands the mutex to the first in line. Does not park.
    // THROWS  fiber_error (not_owner) when the caller does not hold it.
    void unlock();

  private:
    friend class condition_variable;
    friend class recursive_mutex;

    struct locking;

    bool is_mine();
    bool lock_as(time_point deadline, wait_queue::interrupts how);

    // What is seldom needed, apart, so that the rest is short. `held` is held.
    [[gnu::noinline]] bool lock_when_free(std::unique_lock<wait_queue::lock> held,
                                          const detail::fiber_core& me,
                                          time_point deadline,
                                          wait_queue::interrupts how);
    const detail::fiber_core* holder_near(const detail::fiber_core& me) const noexcept;
    [[noreturn]] void fail_not_owner(std::unique_lock<wait_queue::lock> held,
                                     const detail::fiber_core& me);
    [[gnu::noinline]] void hand_on(std::unique_lock<wait_queue::lock> held) noexcept;

    void give_to(const detail::fiber_core& core) noexcept;

    wait_queue::lock lock_;
    wait_queue line_;
    std::uint64_t owner_ = 0;  // id of the fiber that holds it; 0: nobody
    // Its block. It may have ended and another one begun there, so compare the id, and
    // look only from its own thread.
    const detail::fiber_core* holder_ = nullptr;
};

}  // namespace tendril

// Several at once, in the order of their addresses, each after waiting in its line. The
// standard's own takes one, tries the others, and when that fails starts over with
// another; among fibers that may go on for ever, because a mutex that is handed from
// one to the next is never free for those who try. std::lock() does the same: use this.
template <std::same_as<tendril::mutex>... More>
class std::scoped_lock<tendril::mutex, tendril::mutex, More...> {
    using one = std::unique_lock<tendril::mutex>;

  public:
    explicit scoped_lock(tendril::mutex& a, tendril::mutex& b, More&... more)
        : held_{one(a, defer_lock), one(b, defer_lock), one(more, defer_lock)...} {
        std::sort(held_.begin(), held_.end(), [](const one& l, const one& r) {
            return std::less<>()(l.mutex(), r.mutex());
        });
        for (one& next : held_) next.lock();
    }

    explicit scoped_lock(adopt_lock_t,
                         tendril::mutex& a,
                         tendril::mutex& b,
                         More&... more)
        : held_{one(a, adopt_lock), one(b, adopt_lock), one(more, adopt_lock)...} {}

    scoped_lock(const scoped_lock&) = delete;
    scoped_lock& operator=(const scoped_lock&) = delete;
    ~scoped_lock() = default;

  private:
    std::array<one, 2 + sizeof...(More)> held_;
};
