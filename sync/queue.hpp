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
// T: movable without throwing. Thread rule: any fiber of any thread; the try_ forms and
// the observers also from hub callbacks.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <tendril/runtime/clock.hpp>
#include <tendril/runtime/error.hpp>
#include <tendril/runtime/hub.hpp>
#include <tendril/sync/detail/ring.hpp>
#include <tendril/sync/wait_queue.hpp>

#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <utility>

namespace tendril {

inline constexpr std::size_t unbounded = SIZE_MAX;

template <class T>
class queue {
  public:
    explicit queue(std::size_t capacity = unbounded) : capacity_(capacity) {}

    queue(const queue&) = delete;
    queue& operator=(const queue&) = delete;
    // REQUIRES  every wait has come back. Items left are destroyed.
    ~queue() = default;

    // -- putting

    // Puts `item`; parks while there is no room.
    // THROWS  what is thrown into the fiber, std::bad_alloc, fiber_error (in_hub); then
    //         `item` was not put, and is as it was.
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
                putting here(item);
                return putters_.wait(held, here, deadline);
            }
            rendezvous = how == handed::to_getter && capacity_ == 0;
        }
        // It is over when the other side has got there.
        if (rendezvous) detail::let_others_run();
        return true;
    }

    template <class Rep, class Period>
    bool put_for(T&& item, std::chrono::duration<Rep, Period> d) {
        return put_until(std::move(item), in(d));
    }

    // Puts `item` if that is possible at once: if somebody waits for one, or there is
    // room. Else false, and `item` is as it was.
    bool try_put(const T& item) requires std::copy_constructible<T> {
        return try_put(T(item));
    }

    bool try_put(T&& item) {
        wait_queue::taken_one woken;
        std::unique_lock held(lock_);
        return hand_over(held, item, woken) != handed::no;
    }

    // -- getting

    // Takes the oldest item; parks while there is none.
    // THROWS  what is thrown into the fiber (nothing was taken then); fiber_error
    // (in_hub).
    T get() {
        std::optional<T> item;
        get_into(item, never);
        return std::move(*item);
    }

    // As get(), but nothing when the time is over first.
    std::optional<T> get_until(time_point deadline) {
        std::optional<T> item;
        get_into(item, deadline);
        return item;
    }

    template <class Rep, class Period>
    std::optional<T> get_for(std::chrono::duration<Rep, Period> d) {
        return get_until(in(d));
    }

    // Takes an item if there is one, or somebody waits to put one.
    std::optional<T> try_get() {
        std::optional<T> item;
        wait_queue::taken_one woken;
        const std::lock_guard held(lock_);
        take(item, woken);
        return item;
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

    std::size_t capacity() const noexcept {
        return locked([&] { return capacity_; });
    }

    // Makes room for those who wait to put, or gives up room; items over it stay.
    // THROWS  std::bad_alloc; some may have been let in then.
    void resize(std::size_t capacity) {
        wait_queue::taken woken;
        std::unique_lock held(lock_);
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
        if (--unfinished_ > 0) return;
        while (!joiners_.empty()) woken.add(joiners_.take_first());
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
    };

    struct getting final : wait_queue::place {
        explicit getting(std::optional<T>& slot)
            : place("queue::get", true), slot(slot) {}

        std::optional<T>& slot;
    };

    enum class handed { no, to_getter, to_buffer };

    template <class F>
    auto locked(F f) const noexcept {
        const std::lock_guard held(lock_);
        return f();
    }

    template <class Rep, class Period>
    static time_point in(std::chrono::duration<Rep, Period> d) {
        return detail::after(hub::current().now(), detail::checked_duration(d));
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
    void get_into(std::optional<T>& item, time_point deadline) {
        wait_queue::taken_one woken;
        auto held = wait_queue::hold_to_wait(lock_);
        if (take(item, woken)) return;
        getting here(item);
        getters_.wait(held, here, deadline);
    }

    // The oldest item: from the buffer, or, where there is none, out of a putter's
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
        typename detail::ring<T>::room larger(full == 0 ? 8 : 2 * full);
        held.lock();
        if (items_.capacity() == full) larger = items_.move_into(std::move(larger));
        return true;
    }

    mutable wait_queue::lock lock_;
    wait_queue getters_;
    wait_queue putters_;
    wait_queue joiners_;
    detail::ring<T> items_;
    std::size_t capacity_;
    std::size_t unfinished_ = 0;
};

}  // namespace tendril
