// select.hpp - the first of several sends, receives and times.
//
//     select(on_receive(jobs, [&](job j) { work(j); }),
//            on_receive(stop, [&](reason r) { why = r; }),
//            on_send(results, next, [&] { ++sent; }),
//            after(1s, [&] { idle(); }));
//
// One of them happens, and its function is called; nothing happens to the others: no
// item is taken or given. Of several that are possible at once, one at random. With
// otherwise(f), nothing waits: if none is possible, it is that.
//
// Returns the place of the one that happened, from 0. The functions run after it, in
// the caller, and may park; what they throw, select() throws.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <tendril/runtime/clock.hpp>
#include <tendril/sync/channel.hpp>
#include <tendril/sync/detail/selection.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <optional>
#include <type_traits>
#include <utility>

namespace tendril {

namespace detail {

// What a send and a receive have in common: a place in the line of one channel.
template <class T, class F, class Offer>
class channel_case : public select_case {
  public:
    spin_lock& lock() noexcept override { return state_.lock; }

    void get_in_line(selection& s, std::size_t number) noexcept override {
        here_.of = &s;
        here_.number = number;
        state_.get_in_line(here_);
    }

    void leave_line() noexcept override {
        if (here_.linked()) here_.unlink();
    }

  protected:
    channel_case(channel_state<T>& state, F f) : state_(state), f_(std::move(f)) {}

    ~channel_case() = default;

    // Whether there is nothing to wait for.
    bool settle(detail::attempt how) noexcept {
        here_.closed = how == detail::attempt::closed;
        return how != detail::attempt::must_wait;
    }

    channel_state<T>& state_;
    F f_;
    Offer here_;
};

template <class T, class F>
class receive_case final : public channel_case<T, F, receive_offer<T>> {
  public:
    receive_case(receiver<T>& from, F f)
        : channel_case<T, F, receive_offer<T>>(from.state(), std::move(f)) {
        this->here_.slot = &item_;
    }

    bool lacks_room() noexcept override { return false; }

    void make_room() override {}

    bool attempt(wait_queue::taken& woken) noexcept override {
        return this->settle(this->state_.receive(item_, woken));
    }

    void finish() override {
        if constexpr (std::invocable<F&, std::optional<T>>) {
            this->f_(std::move(item_));
        } else {
            if (this->here_.closed) fail_no_sender();
            this->f_(std::move(*item_));
        }
    }

  private:
    std::optional<T> item_;
};

template <class T, class F>
class send_case final : public channel_case<T, F, send_offer<T>> {
  public:
    send_case(sender<T>& to, T& item, F f)
        : channel_case<T, F, send_offer<T>>(to.state(), std::move(f)) {
        this->here_.item = &item;
    }

    bool lacks_room() noexcept override { return this->state_.lacks_room(); }

    void make_room() override { this->state_.grow(); }

    bool attempt(wait_queue::taken& woken) noexcept override {
        return this->settle(this->state_.send(*this->here_.item, woken));
    }

    void finish() override {
        if (this->here_.closed) fail_no_receiver();
        this->f_();
    }
};

template <class F>
struct after_case {
    time_point deadline;
    F f;
};

template <class F>
struct otherwise_case {
    F f;
};

template <class C>
inline constexpr bool is_after = false;
template <class F>
inline constexpr bool is_after<after_case<F>> = true;

template <class C>
inline constexpr bool is_otherwise = false;
template <class F>
inline constexpr bool is_otherwise<otherwise_case<F>> = true;

template <class C>
inline constexpr bool is_of_channel = std::derived_from<C, select_case>;

// Calls what belongs to otherwise(), or to the time that is over, if `c` is that.
template <bool AtOnce, class C>
bool finish_without_channel(C& c, time_point deadline) {
    if constexpr (AtOnce ? is_otherwise<C> : is_after<C>) {
        if constexpr (!AtOnce) {
            if (c.deadline != deadline) return false;
        }
        c.f();
        return true;
    } else {
        return false;
    }
}

}  // namespace detail

// `f` is called with the item. When the senders have all gone, that happens, too: then
// f is called with std::nullopt if it takes a std::optional<T>; else select() throws.
// THROWS  fiber_error: dead for an empty handle; from select(): closed.
template <class T, class F>
detail::receive_case<T, F> on_receive(receiver<T>& from, F f) {
    return {from, std::move(f)};
}

// `item` is moved from if this happens, else it is as it was.
// THROWS  as on_receive, when the receivers have all gone.
template <class T, class F>
detail::send_case<T, F> on_send(sender<T>& to, T& item, F f) {
    return {to, item, std::move(f)};
}

// If nothing else has happened in time. Of several, the first counts.
template <class Rep, class Period, class F>
detail::after_case<F> after(std::chrono::duration<Rep, Period> d, F f) {
    return {detail::from_now(d), std::move(f)};
}

// If nothing else is possible at once.
template <class F>
detail::otherwise_case<F> otherwise(F f) {
    return {std::move(f)};
}

// Parks, unless there is an otherwise().
// THROWS  what is thrown into the fiber, std::bad_alloc, fiber_error (in_hub): then
//         nothing has happened; what the function of the case throws.
template <class... Cases>
std::size_t select(Cases&&... cases) {
    using namespace detail;
    constexpr std::size_t of_channels =
        (std::size_t{is_of_channel<std::remove_reference_t<Cases>>} + ... + 0);
    constexpr bool at_once =
        (is_otherwise<std::remove_reference_t<Cases>> || ... || false);
    static_assert(sizeof...(Cases) > 0, "select() of nothing");

    std::array<select_case*, of_channels> found{};
    std::array<std::size_t, of_channels> places{};
    time_point deadline = never;
    std::size_t place = 0, many = 0;
    const auto look_at = [&](auto& c) {
        using kind = std::remove_reference_t<decltype(c)>;
        if constexpr (is_of_channel<kind>) {
            found[many] = &c;
            places[many++] = place;
        } else if constexpr (is_after<kind>) {
            deadline = std::min(deadline, c.deadline);
        }
        ++place;
    };
    (look_at(cases), ...);

    std::array<spin_lock*, of_channels> locks{};
    std::array<std::size_t, of_channels> order{};
    const std::size_t chosen = select_one(found, locks, order, deadline, at_once);
    if (chosen != none_chosen) {
        found[chosen]->finish();
        return places[chosen];
    }
    // The time, or otherwise().
    place = 0;
    static_cast<void>((
        (finish_without_channel<at_once>(cases, deadline) || (++place, false)) || ...));
    return place;
}

}  // namespace tendril
