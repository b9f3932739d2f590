// channel.hpp - items from senders to receivers, which know when the others have gone.
//
//     auto [to, from] = make_channel<job>(64);        // room for 64; 0: hand to hand
//     spawn([to = std::move(to)]() mutable { for (...) to.send(job{...}); });
//     for (job& j : from) work(j);                    // until the last sender is gone
//
// Both ends are handles: a copy is one more sender, or receiver. Once the last sender
// has gone, and what was sent is received, receive() throws; once the last receiver has
// gone, send() does, and what nobody has received is destroyed. An item that could not
// be sent stays with the caller.
//
// First in, first out, for items and for those who wait at either end. select() waits
// for several channels at once: see select.hpp.
//
// T: movable without throwing. Thread rule: a handle, as any object, one thread at a
// time; copies of it on any thread; the try_ forms also in hub callbacks.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <tendril/runtime/clock.hpp>
#include <tendril/runtime/error.hpp>
#include <tendril/sync/detail/channel_state.hpp>
#include <tendril/sync/detail/checked_size.hpp>
#include <tendril/sync/detail/selection.hpp>
#include <tendril/sync/wait_queue.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

namespace tendril {

template <class T>
class sender;
template <class T>
class receiver;

namespace detail {

[[noreturn]] inline void fail_no_receiver() {
    fail(errc::closed, "a channel was sent to whose receivers have all gone");
}

[[noreturn]] inline void fail_no_sender() {
    fail(errc::closed, "a channel is empty, and its senders have all gone");
}

// A handle of either kind; Count tells the state of each that comes and goes.
template <class T, class Count>
class channel_end {
  public:
    // Of no channel.
    channel_end() noexcept = default;

    explicit channel_end(std::shared_ptr<channel_state<T>> state) noexcept
        : state_(std::move(state)) {
        come();
    }

    channel_end(const channel_end& other) noexcept : state_(other.state_) { come(); }

    channel_end(channel_end&& other) noexcept = default;

    channel_end& operator=(channel_end other) noexcept {
        state_.swap(other.state_);
        return *this;
    }

    ~channel_end() {
        if (state_ == nullptr) return;
        ring<T> left;  // goes without the lock, and may hold ends itself
        wait_queue::taken woken;
        const std::lock_guard held(state_->lock);
        Count::drop(*state_, woken, left);
    }

    explicit operator bool() const noexcept { return state_ != nullptr; }

    // THROWS  fiber_error (dead) for an empty handle.
    channel_state<T>& state() const {
        if (state_ == nullptr) fail(errc::dead, "an empty end of a channel was used");
        return *state_;
    }

  private:
    void come() noexcept {
        if (state_ == nullptr) return;
        const std::lock_guard held(state_->lock);
        Count::add(*state_);
    }

    std::shared_ptr<channel_state<T>> state_;
};

struct count_sender {
    template <class S>
    static void add(S& s) noexcept {
        s.add_sender();
    }

    template <class S, class Items>
    static void drop(S& s, wait_queue::taken& woken, Items& /*left*/) noexcept {
        s.drop_sender(woken);
    }
};

struct count_receiver {
    template <class S>
    static void add(S& s) noexcept {
        s.add_receiver();
    }

    template <class S, class Items>
    static void drop(S& s, wait_queue::taken& woken, Items& left) noexcept {
        s.drop_receiver(woken, left);
    }
};

// Stands in one line only, and is out of it when it has been claimed.
template <class T, class Offer>
bool wait_in_channel(channel_state<T>& s,
                     std::unique_lock<spin_lock>& held,
                     selection& mine,
                     Offer& here,
                     time_point deadline) {
    here.of = &mine;
    s.get_in_line(here);
    held.unlock();

    struct leave_line {
        channel_state<T>& s;
        Offer& here;
        bool claimed = false;

        ~leave_line() {
            if (claimed) return;
            const std::lock_guard held(s.lock);
            if (here.linked()) here.unlink();
        }
    } at_end{s, here};

    at_end.claimed = park_until(mine, deadline);
    return at_end.claimed;
}

}  // namespace detail

template <class T>
class sender : public detail::channel_end<T, detail::count_sender> {
    using detail::channel_end<T, detail::count_sender>::channel_end;

  public:
    // Sends `item`; parks while there is no room.
    // THROWS  what is thrown into the fiber, std::bad_alloc; fiber_error: closed when
    //         the receivers have all gone, in_hub, dead; then `item` was not sent, and
    //         is as it was.
    void send(T&& item) { send_until(std::move(item), never); }

    void send(const T& item) { send(T(item)); }

    // As send(), but false when the time is over first, and `item` is as it was.
    bool send_until(T&& item, time_point deadline) {
        auto& s = this->state();
        wait_queue::taken woken;
        auto held = wait_queue::hold_to_wait(s.lock);
        const detail::attempt how = attempt(s, item, held, woken);
        if (how == detail::attempt::done) return true;
        detail::selection mine("channel send");
        detail::send_offer<T> here;
        here.item = &item;
        if (!detail::wait_in_channel(s, held, mine, here, deadline)) return false;
        if (here.closed) detail::fail_no_receiver();
        return true;
    }

    template <class Rep, class Period>
    bool send_for(T&& item, std::chrono::duration<Rep, Period> d) {
        return send_until(std::move(item), detail::from_now(d));
    }

    // Sends if that is possible at once; else false, and `item` is as it was. Does not
    // park. THROWS  as send().
    bool try_send(T&& item) {
        auto& s = this->state();
        wait_queue::taken woken;
        std::unique_lock held(s.lock);
        return attempt(s, item, held, woken) == detail::attempt::done;
    }

    bool try_send(const T& item) { return try_send(T(item)); }

  private:
    // THROWS  fiber_error (closed), std::bad_alloc; without the lock.
    static detail::attempt attempt(detail::channel_state<T>& s,
                                   T& item,
                                   std::unique_lock<wait_queue::lock>& held,
                                   wait_queue::taken& woken) {
        while (s.lacks_room()) {
            held.unlock();
            s.grow();
            held.lock();
        }
        const detail::attempt how = s.send(item, woken);
        if (how == detail::attempt::closed) {
            held.unlock();
            detail::fail_no_receiver();
        }
        return how;
    }
};

template <class T>
class receiver : public detail::channel_end<T, detail::count_receiver> {
    using detail::channel_end<T, detail::count_receiver>::channel_end;

  public:
    class iterator;

    // The next item; parks while there is none.
    // THROWS  what is thrown into the fiber (nothing was received then); fiber_error:
    //         closed when the senders have all gone and all is received, in_hub, dead.
    T receive() {
        std::optional<T> item;
        if (!receive_into(item, never)) detail::fail_no_sender();
        return std::move(*item);
    }

    // As receive(), but nothing when the time is over first.
    std::optional<T> receive_until(time_point deadline) {
        std::optional<T> item;
        if (!receive_into(item, deadline)) detail::fail_no_sender();
        return item;
    }

    template <class Rep, class Period>
    std::optional<T> receive_for(std::chrono::duration<Rep, Period> d) {
        return receive_until(detail::from_now(d));
    }

    // An item if one can be had at once. Does not park.
    std::optional<T> try_receive() {
        auto& s = this->state();
        std::optional<T> item;
        wait_queue::taken woken;
        const std::lock_guard held(s.lock);
        s.receive(item, woken);
        return item;
    }

    // Items as they come, until the senders have all gone.
    iterator begin() { return ++iterator(*this); }

    static std::default_sentinel_t end() noexcept { return {}; }

  private:
    // False: there will be none any more.
    bool receive_into(std::optional<T>& item, time_point deadline) {
        auto& s = this->state();
        wait_queue::taken woken;
        auto held = wait_queue::hold_to_wait(s.lock);
        const detail::attempt how = s.receive(item, woken);
        if (how != detail::attempt::must_wait) return how == detail::attempt::done;
        detail::selection mine("channel receive");
        detail::receive_offer<T> here;
        here.slot = &item;
        detail::wait_in_channel(s, held, mine, here, deadline);
        return !here.closed;
    }
};

template <class T>
class receiver<T>::iterator {
  public:
    using value_type = T;
    using difference_type = std::ptrdiff_t;

    explicit iterator(receiver& from) noexcept : from_(&from) {}

    T& operator*() const noexcept { return *item_; }

    // Parks while there is none.
    iterator& operator++() {
        item_.reset();
        from_->receive_into(item_, never);
        return *this;
    }

    void operator++(int) { ++*this; }

    bool operator==(std::default_sentinel_t /*end*/) const noexcept { return !item_; }

  private:
    receiver* from_;
    mutable std::optional<T> item_;
};

template <class T>
struct channel_ends {
    sender<T> to;
    receiver<T> from;
};

// `capacity` items of room; 0: each send() waits for its receive(). SIZE_MAX:
// unlimited.
// THROWS  std::bad_alloc; fiber_error (bad_argument) for a capacity that was negative,
//         but for -1.
template <class T>
channel_ends<T> make_channel(std::size_t capacity = 0) {
    if (capacity != SIZE_MAX) detail::checked_size(capacity, "the room of a channel");
    auto state = std::make_shared<detail::channel_state<T>>(capacity);
    return {sender<T>(state), receiver<T>(state)};
}

}  // namespace tendril
