// queue.hpp - items from those who put to those who get, in order.
//
//     queue<job> jobs(64);                  // put() parks while 64 are waiting
//     queue<job> all;                       // unbounded: put() never parks
//     queue<job> hand(0);                   // rendezvous: put() parks until taken
//
//     jobs.put(job{...});
//     job j = jobs.get();
//
// First in, first out, for items and for those who wait at either end. An item given to
// a fiber that is killed or times out at that moment is not lost: it has it, or it
// stays in the queue. A put that fails leaves the item with the caller.
//
// With capacity 0 there is no room at all: empty() and full() are both always true, and
// a put() returns only after the getter has had its turn with the item.
//
// close() ends it: what was put before is still given out, then every get() throws, and
// a range-for over the queue ends.
//
//     for (job& j : jobs) work(j);
//
// lifo_queue gives the newest item out first, priority_queue the first by its order:
// see their headers.
//
// T: movable without throwing. Thread rule: any fiber of any thread; the try_ forms and
// the observers also from hub callbacks.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <tendril/runtime/clock.hpp>
#include <tendril/runtime/error.hpp>
#include <tendril/sync/detail/checked_size.hpp>
#include <tendril/sync/detail/ring.hpp>
#include <tendril/sync/wait_queue.hpp>

#include <algorithm>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <mutex>
#include <optional>
#include <utility>

namespace tendril {

inline constexpr std::size_t unbounded = SIZE_MAX;

// Buffer decides which item is next: see detail/ring.hpp for what one has to do.
template <class T, class Buffer>
class basic_queue {
  public:
    class iterator;

    // THROWS  fiber_error (bad_argument) for a room that was negative; -1 is unbounded.
    explicit basic_queue(std::size_t capacity = unbounded)
        : capacity_(checked_room(capacity)) {}

    basic_queue(const basic_queue&) = delete;
    basic_queue& operator=(const basic_queue&) = delete;
    // REQUIRES  every wait has come back. Items left are destroyed.
    ~basic_queue() = default;

    // -- putting

    // Puts `item`; parks while there is no room.
    // THROWS  what is thrown into the fiber, std::bad_alloc, fiber_error (in_hub;
    //         closed); then `item` was not put, and is as it was.
    void put(T&& item) { put_until(std::move(item), never); }

    void put(const T& item) requires std::copy_constructible<T> { put(T(item)); }

    // As put(), but false when the time is over first, and `item` is as it was.
    bool put_until(T&& item, time_point deadline) {
        bool rendezvous = false;
        {
            wait_queue::taken_one woken;
            auto held = wait_queue::hold_to_wait(lock_);
            const handed how = hand_over(held, item, woken);
            if (how == handed::no) {
                fail_if_closed(held);
                putting here(item);
                const bool came = putters_.wait(held, here, deadline);
                if (here.refused) fail_closed();
                return came;
            }
            rendezvous = how == handed::to_getter && capacity_ == 0;
        }
        // It is over when the other side has got there.
        if (rendezvous) detail::let_others_run();
        return true;
    }

    template <class Rep, class Period>
    bool put_for(T&& item, std::chrono::duration<Rep, Period> d) {
        return put_until(std::move(item), detail::from_now(d));
    }

    // Puts `item` if that is possible at once: if somebody waits for one, or there is
    // room. Else false, also when the queue is closed, and `item` is as it was.
    bool try_put(const T& item) requires std::copy_constructible<T> {
        return try_put(T(item));
    }

    bool try_put(T&& item) {
        wait_queue::taken_one woken;
        std::unique_lock held(lock_);
        return hand_over(held, item, woken) != handed::no;
    }

    // -- getting

    // Takes the next item; parks while there is none.
    // THROWS  what is thrown into the fiber (nothing was taken then); fiber_error:
    //         in_hub; closed when the queue is closed and empty.
    T get() {
        std::optional<T> item;
        if (get_into(item, never) == got::closed) fail_closed();
        return std::move(*item);
    }

    // As get(), but nothing when the time is over first.
    std::optional<T> get_until(time_point deadline) {
        std::optional<T> item;
        if (get_into(item, deadline) == got::closed) fail_closed();
        return item;
    }

    template <class Rep, class Period>
    std::optional<T> get_for(std::chrono::duration<Rep, Period> d) {
        return get_until(detail::from_now(d));
    }

    // Takes an item if there is one, or somebody waits to put one.
    std::optional<T> try_get() {
        std::optional<T> item;
        wait_queue::taken_one woken;
        const std::lock_guard held(lock_);
        take(item, woken);
        return item;
    }

    // As get(), to the end: until the queue is closed and empty.
    iterator begin() { return ++iterator(*this); }

    static std::default_sentinel_t end() noexcept { return {}; }

    // -- ending

    // No more puts: those that come, and those that wait for room, throw. What is in it
    // is still given out; those who wait for an item, and find none, throw. A closed
    // queue stays closed. Does not park.
    void close() noexcept {
        wait_queue::taken woken;
        const std::lock_guard held(lock_);
        close_under_lock(woken);
    }

    // As close(), but what is in it is destroyed, and counts as dealt with: join()
    // waits only for what has been taken out. asyncio's shutdown(immediate=True).
    void close_now() noexcept {
        wait_queue::taken woken;
        Buffer dropped;  // without the lock, but before anybody is told
        const std::lock_guard held(lock_);
        close_under_lock(woken);
        unfinished_ -= std::min(unfinished_, items_.size());
        items_.swap(dropped);
        if (unfinished_ == 0) wake_joiners(woken);
    }

    bool closed() const noexcept {
        return locked([&] { return closed_; });
    }

    // -- looking
    // What is true now may be otherwise as soon as another thread, or a park, comes in.

    std::size_t size() const noexcept {
        return locked([&] { return items_.size(); });
    }

    bool empty() const noexcept { return size() == 0; }

    bool full() const noexcept {
        return locked([&] { return items_.size() >= capacity_; });
    }

    // How many fibers are parked in put, and in get.
    std::size_t putting_count() const noexcept {
        return locked([&] { return putters_.size(); });
    }

    std::size_t getting_count() const noexcept {
        return locked([&] { return getters_.size(); });
    }

    // 0 once it is closed.
    std::size_t capacity() const noexcept {
        return locked([&] { return capacity_; });
    }

    // Makes room for those who wait to put, or gives up room; items over it stay. Does
    // nothing when it is closed.
    // THROWS  std::bad_alloc; some may have been let in then. fiber_error
    //         (bad_argument), as the constructor.
    void resize(std::size_t capacity) {
        checked_room(capacity);
        wait_queue::taken woken;
        std::unique_lock held(lock_);
        if (closed_) return;
        capacity_ = capacity;
        while (!putters_.empty() && items_.size() < capacity_) {
            if (!grow(held)) woken.add(refill());
        }
    }

    // -- work that is done later

    // Says that what one get() took has been dealt with.
    // THROWS  fiber_error (bad_argument) when called more often than items were put.
    void task_done() {
        wait_queue::taken woken;
        std::unique_lock held(lock_);
        if (unfinished_ == 0) {
            held.unlock();
            detail::fail(errc::bad_argument,
                         "queue::task_done called more often than put");
        }
        if (--unfinished_ == 0) wake_joiners(woken);
    }

    // Parks until task_done() has been called for everything that was put.
    // THROWS  what is thrown into the fiber; fiber_error (in_hub).
    void join() {
        auto held = wait_queue::hold_to_wait(lock_);
        if (unfinished_ == 0) return;
        wait_queue::place here("queue::join");
        joiners_.wait(held, here);
    }

    std::size_t unfinished_tasks() const noexcept {
        return locked([&] { return unfinished_; });
    }

  private:
    // The item stays in the putter's hands until somebody takes it from there.
    struct putting final : wait_queue::place {
        explicit putting(T& item) : place("queue::put", true), item(item) {}

        T& item;
        bool refused = false;  // the queue was closed
    };

    struct getting final : wait_queue::place {
        explicit getting(std::optional<T>& slot)
            : place("queue::get", true), slot(slot) {}

        std::optional<T>& slot;
    };

    enum class handed { no, to_getter, to_buffer };
    enum class got { item, nothing, closed };

    [[noreturn]] static void fail_closed() {
        detail::fail(errc::closed, "a queue was used that has been closed");
    }

    // REQUIRES  `held` is held.
    void fail_if_closed(std::unique_lock<wait_queue::lock>& held) const {
        if (!closed_) [[likely]]
            return;
        held.unlock();
        fail_closed();
    }

    void close_under_lock(wait_queue::taken& woken) noexcept {
        closed_ = true;
        capacity_ = 0;
        while (!getters_.empty()) woken.add(getters_.take_first());
        while (!putters_.empty()) {
            auto& next = static_cast<putting&>(putters_.take_first());
            next.refused = true;
            woken.add(next);
        }
    }

    void wake_joiners(wait_queue::taken& woken) noexcept {
        while (!joiners_.empty()) woken.add(joiners_.take_first());
    }

    template <class F>
    auto locked(F f) const noexcept {
        const std::lock_guard held(lock_);
        return f();
    }

    // To the first getter in line, else into the buffer; `item` is moved from if so.
    [[gnu::always_inline]] handed hand_over(std::unique_lock<wait_queue::lock>& held,
                                            T& item,
                                            wait_queue::taken_one& woken) {
        for (;;) {
            if (!getters_.empty()) {
                auto& first = static_cast<getting&>(getters_.take_first());
                first.slot.emplace(std::move(item));
                ++unfinished_;
                woken.set(first);
                return handed::to_getter;
            }
            if (items_.size() >= capacity_) return handed::no;
            if (grow(held)) continue;
            items_.push(std::move(item));
            ++unfinished_;
            return handed::to_buffer;
        }
    }

    // Into the caller's own optional: one that is returned is written in two parts and
    // read back as one, which stalls the processor for longer than all the rest takes.
    got get_into(std::optional<T>& item, time_point deadline) {
        wait_queue::taken_one woken;
        auto held = wait_queue::hold_to_wait(lock_);
        if (take(item, woken)) return got::item;
        if (closed_) return got::closed;
        getting here(item);
        if (!getters_.wait(held, here, deadline)) return got::nothing;
        return item ? got::item : got::closed;
    }

    // The next item: from the buffer, or, where there is none, out of a putter's
    // hands.
    [[gnu::always_inline]] bool take(std::optional<T>& item,
                                     wait_queue::taken_one& woken) noexcept {
        if (items_.size() > 0) {
            item.emplace(items_.pop());
            if (!putters_.empty() && items_.size() < capacity_) woken.set(refill());
            return true;
        }
        if (putters_.empty()) return false;
        auto& first = static_cast<putting&>(putters_.take_first());
        item.emplace(std::move(first.item));
        ++unfinished_;
        woken.set(first);
        return true;
    }

    // Lets the first putter in line, which is to be woken, have the room that there is.
    wait_queue::place& refill() noexcept {
        auto& first = static_cast<putting&>(putters_.take_first());
        items_.push(std::move(first.item));
        ++unfinished_;
        return first;
    }

    // Makes the buffer larger if it is full. True if the lock was given up for that, so
    // that everything has to be looked at again.
    bool grow(std::unique_lock<wait_queue::lock>& held) {
        const std::size_t full = items_.capacity();
        if (items_.size() < full) return false;
        held.unlock();
        typename Buffer::room larger(full == 0 ? 8 : 2 * full);
        held.lock();
        if (items_.capacity() != full) return true;
        larger = items_.move_into(std::move(larger));
        held.unlock();
        larger = {};
        held.lock();
        return true;
    }

    static std::size_t checked_room(std::size_t capacity) {
        if (capacity == unbounded) return capacity;
        return detail::checked_size(capacity, "the room of a queue");
    }

    mutable wait_queue::lock lock_;
    wait_queue getters_;
    wait_queue putters_;
    wait_queue joiners_;
    Buffer items_;
    std::size_t capacity_;
    std::size_t unfinished_ = 0;
    bool closed_ = false;
};

// Items as they come, for a range-for. Holds the one that it stands at.
template <class T, class Buffer>
class basic_queue<T, Buffer>::iterator {
  public:
    using value_type = T;
    using difference_type = std::ptrdiff_t;
    using iterator_concept = std::input_iterator_tag;

    explicit iterator(basic_queue& from) noexcept : from_(&from) {}

    T& operator*() const noexcept { return *item_; }

    // Parks while there is none.
    iterator& operator++() {
        item_.reset();
        from_->get_into(item_, never);
        return *this;
    }

    void operator++(int) { ++*this; }

    bool operator==(std::default_sentinel_t /*end*/) const noexcept { return !item_; }

  private:
    basic_queue* from_;
    mutable std::optional<T> item_;
};

template <class T>
using queue = basic_queue<T, detail::ring<T>>;

}  // namespace tendril
