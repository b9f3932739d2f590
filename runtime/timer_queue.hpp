// timer_queue.hpp - deadlines in order; ties in the order they were armed.
//
// A four-way heap of (deadline, number) with each timer's index kept in the timer, so
// that arming and cancelling are O(log n), and O(1) for the commonest pair: a timeout
// armed behind all others and cancelled before it is due. No kernel call per timer, and
// no allocation but the heap's own growth: timers live in their owner's frame.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <tendril/runtime/clock.hpp>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace tendril::detail {

struct timer_node {
    static constexpr std::size_t unarmed = SIZE_MAX;

    std::size_t index = unarmed;
    void (*fire)(timer_node&) = nullptr;  // on the hub's own stack, already disarmed

    bool armed() const noexcept { return index != unarmed; }
};

class timer_queue {
  public:
    // REQUIRES  `t` is not armed, deadline < never.
    // THROWS    std::bad_alloc.
    void arm(timer_node& t, time_point deadline);

    // Nothing if it is not armed.
    void disarm(timer_node& t) noexcept;

    bool empty() const noexcept { return heap_.empty(); }

    std::size_t size() const noexcept { return heap_.size(); }

    // REQUIRES  not empty.
    time_point next() const noexcept { return heap_.front().deadline; }

    // Number of the newest timer. Timers armed later have larger ones.
    std::uint64_t newest() const noexcept { return counter_; }

    // Takes out the first timer that is due at `now` and was armed no later than number
    // `limit`; null if there is none. A timer armed by one that fires is left for the
    // next turn, so that a chain of zero delays cannot starve I/O.
    timer_node* take_due(time_point now, std::uint64_t limit) noexcept;

  private:
    struct entry {
        time_point deadline;
        std::uint64_t number;
        timer_node* timer;

        bool before(const entry& other) const noexcept {
            return deadline != other.deadline ? deadline < other.deadline
                                              : number < other.number;
        }
    };

    void rise(std::size_t at, entry e) noexcept;
    void sink(std::size_t at, entry e) noexcept;

    void place(std::size_t at, const entry& e) noexcept {
        heap_[at] = e;
        e.timer->index = at;
    }

    std::vector<entry> heap_;
    std::uint64_t counter_ = 0;
};

}  // namespace tendril::detail
