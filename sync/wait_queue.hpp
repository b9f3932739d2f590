// wait_queue.hpp - a fair line of parked fibers: what every primitive of sync is built
// on.
//
// First in, first out, across threads. A fiber in line may be killed or time out: it
// then leaves the line and nothing else changes, unless its turn had come already; then
// it keeps what it was given (see park.hpp).
//
// A primitive keeps its state and its lines under one lock, and wakes a fiber by taking
// its place out of the line first:
//
//     class gate {                                     // open() lets everybody through
//       public:
//         void pass() {
//             auto held = wait_queue::hold_to_wait(lock_);
//             if (open_) return;
//             wait_queue::place here("gate");
//             line_.wait(held, here);
//         }
//         void open() {
//             wait_queue::taken woken;                 // before the lock, see below
//             const std::lock_guard held(lock_);
//             open_ = true;
//             while (!line_.empty()) woken.add(line_.take_first());
//         }
//       private:
//         wait_queue::lock lock_;
//         wait_queue line_;
//         bool open_ = false;
//     };
//
// A primitive may be destroyed once every wait on it has come back; not earlier, also
// if all have been woken, since a kill of one of them on its way looks for its line.
//
// Thread rule: everything under the lock, from any thread; wait() in a fiber.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <tendril/runtime/clock.hpp>
#include <tendril/runtime/detail/intrusive_list.hpp>
#include <tendril/runtime/detail/spin_lock.hpp>
#include <tendril/runtime/hub.hpp>
#include <tendril/runtime/park.hpp>

#include <chrono>
#include <cstddef>
#include <mutex>

namespace tendril {

namespace detail {

// When `d` will have passed, by the clock of this thread's hub.
// THROWS  fiber_error (bad_argument) for a negative, infinite or NaN duration.
template <class Rep, class Period>
time_point from_now(std::chrono::duration<Rep, Period> d) {
    return after(hub::current().now(), checked_duration(d));
}

}  // namespace detail

class wait_queue {
  public:
    // For a few instructions: never park, call user code or allocate under it.
    using lock = detail::spin_lock;

    // Takes the lock of a line in which this fiber may have to wait. The thread's hub
    // is made first if it has none yet, since a place needs it and the lock allows no
    // allocation.
    static std::unique_lock<lock> hold_to_wait(lock& guard) {
        detail::current_scheduler();
        return std::unique_lock(guard);
    }

    // Whether a kill or timeout may end the wait.
    enum class interrupts { thrown, held_back };

    // A fiber's place in line, in its own frame. Derive from it for what the waker and
    // the fiber have to tell each other.
    class place : public detail::waiter {
      public:
        // `what` is for reports. `carries`: being woken means being given something (a
        // token, an item), so that a kill that comes later must not be thrown from
        // here. THROWS  fiber_error (in_hub).
        explicit place(const char* what,
                       bool carries = false,
                       interrupts how = interrupts::thrown)
            : waiter(how == interrupts::thrown ? leave_line : stay_in_line,
                     what,
                     carries) {}

      private:
        friend class wait_queue;

        static bool leave_line(detail::waiter& w) noexcept;
        static bool stay_in_line(detail::waiter& w) noexcept;

        lock* guard_ = nullptr;
        std::size_t* length_ = nullptr;
    };

    // Parks the calling fiber at the end of the line; releases `held` and returns with
    // it released. False if `deadline` passed first; then the place has left the line.
    // REQUIRES  `held` owns the lock of this line; nothing else holds up the fiber.
    // THROWS    what is thrown into the fiber; then the place has left the line.
    bool wait(std::unique_lock<lock>& held, place& here, time_point deadline = never) {
        get_in_line(held, here);
        return wait_in_line(here, deadline);
    }

    // The two halves of wait(), for what has to be done between them; that must neither
    // park nor throw.
    void get_in_line(std::unique_lock<lock>& held, place& here) noexcept {
        here.guard_ = held.mutex();
        here.length_ = &length_;
        line_.push_back(here);
        ++length_;
        // From here on another thread may take the place and wake the fiber, before it
        // has left: its hub finds the letter only after that.
        held.unlock();
    }

    static bool wait_in_line(place& here, time_point deadline) {
        return detail::park_until(here, deadline);
    }

    bool empty() const noexcept { return length_ == 0; }

    std::size_t size() const noexcept { return length_; }

    // REQUIRES  not empty.
    place& first() noexcept { return static_cast<place&>(line_.front()); }

    // REQUIRES  not empty. What is taken must be woken: put it into a `taken`.
    place& take_first() noexcept {
        --length_;
        return static_cast<place&>(line_.pop_front());
    }

    // Fibers that have been taken out of a line under the lock, to be woken without it:
    // the last fiber that comes back from its wait may destroy the primitive, so
    // whoever wakes must be done with it by then. Declare it before the lock.
    class taken {
      public:
        taken() = default;
        taken(const taken&) = delete;
        taken& operator=(const taken&) = delete;

        ~taken() {
            while (first_ != nullptr) {
                auto& w = static_cast<detail::waiter&>(*first_);
                first_ = first_->next_letter;
                detail::wake(w);
            }
        }

        void add(detail::waiter& w) noexcept {
            w.next_letter = nullptr;
            *last_ = &w;
            last_ = &w.next_letter;
        }

      private:
        detail::letter* first_ = nullptr;
        detail::letter** last_ = &first_;
    };

    // The same for one place at most; costs nothing when there is none.
    class taken_one {
      public:
        taken_one() = default;
        taken_one(const taken_one&) = delete;
        taken_one& operator=(const taken_one&) = delete;

        ~taken_one() {
            if (place_ != nullptr) detail::wake(*place_);
        }

        void set(place& p) noexcept { place_ = &p; }

      private:
        place* place_ = nullptr;
    };

  private:
    detail::intrusive_list<detail::waiter> line_;
    std::size_t length_ = 0;
};

}  // namespace tendril
