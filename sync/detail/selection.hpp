// selection.hpp - a fiber that stands in several lines at once, and is taken out of
// one.
//
// Whoever comes upon it in a line claims it first. One claim succeeds, of all lines and
// of kill and timeout, and that one decides; where it fails, the place is taken for
// empty and thrown out. What is left of its places in other lines the fiber takes back
// itself, when it runs again.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <tendril/runtime/clock.hpp>
#include <tendril/runtime/detail/intrusive_list.hpp>
#include <tendril/runtime/detail/spin_lock.hpp>
#include <tendril/runtime/park.hpp>
#include <tendril/sync/wait_queue.hpp>

#include <atomic>
#include <cstddef>
#include <optional>
#include <span>

namespace tendril::detail {

class selection : public waiter {
  public:
    // THROWS  fiber_error (in_hub).
    explicit selection(const char* what) : waiter(give_up, what, true) {}

    // True once, for all callers: then the caller hands over what the case of that
    // number is about, and wakes it. Under the lock of the line it was found in.
    bool claim(std::size_t number) noexcept {
        return settle(static_cast<std::ptrdiff_t>(number));
    }

    // Which case it was. REQUIRES  it has been woken, not by its time.
    std::size_t chosen() const noexcept {
        return static_cast<std::size_t>(outcome_.load(std::memory_order_acquire));
    }

  private:
    static constexpr std::ptrdiff_t open = -1, given_up = -2;

    bool settle(std::ptrdiff_t how) noexcept {
        std::ptrdiff_t before = open;
        return outcome_.compare_exchange_strong(before, how, std::memory_order_acq_rel);
    }

    static bool give_up(waiter& w) noexcept {
        return static_cast<selection&>(w).settle(given_up);
    }

    std::atomic<std::ptrdiff_t> outcome_{open};
};

// A place in one line.
struct offer : list_hook {
    selection* of = nullptr;
    std::size_t number = 0;  // of the case
    bool closed = false;     // claimed because there is nobody at the other end
};

// One thing that select() could do. All but finish() under lock().
class select_case {
  public:
    select_case() = default;
    select_case(const select_case&) = delete;
    select_case& operator=(const select_case&) = delete;

    virtual spin_lock& lock() noexcept = 0;

    // Whether attempt() would need memory, and getting it: that without the lock.
    virtual bool lacks_room() noexcept = 0;
    virtual void make_room() = 0;

    // Does it, if that is possible without waiting.
    virtual bool attempt(wait_queue::taken& woken) noexcept = 0;

    virtual void get_in_line(selection& s, std::size_t number) noexcept = 0;
    virtual void leave_line() noexcept = 0;

    // It has been done. Without any lock.
    virtual void finish() = 0;

  protected:
    ~select_case() = default;
};

inline constexpr std::size_t none_chosen = SIZE_MAX;

// Does one of `cases`, picked at random where several are possible, and returns its
// place; none_chosen if none was possible by `deadline`, or at once. `locks` and
// `order` are room for as many.
// THROWS  what is thrown into the fiber, std::bad_alloc, fiber_error (in_hub); then
//         none has been done.
std::size_t select_one(std::span<select_case* const> cases,
                       std::span<spin_lock*> locks,
                       std::span<std::size_t> order,
                       time_point deadline,
                       bool at_once);

}  // namespace tendril::detail
