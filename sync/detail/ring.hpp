// ring.hpp - a first-in-first-out buffer that allocates only to grow, and only where it
// is told to: its owner allocates room outside of the lock that guards the ring, and
// hands it over under the lock.
//
// What a queue needs of a buffer: `room`, size(), capacity(), push(), pop(), which
// takes the next item, swap() and move_into(); none of them throws or allocates, except
// the making of a room.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <tendril/sync/detail/room.hpp>

#include <cstddef>
#include <utility>

namespace tendril::detail {

template <class T>
class ring {
  public:
    using room = detail::room<T>;

    ring() = default;
    ring(const ring&) = delete;
    ring& operator=(const ring&) = delete;

    ~ring() {
        while (size_ > 0) pop();
    }

    std::size_t size() const noexcept { return size_; }

    std::size_t capacity() const noexcept { return room_.capacity(); }

    // REQUIRES  size() < capacity().
    void push(T&& item) noexcept {
        ::new (static_cast<void*>(slot(size_))) T(std::move(item));
        ++size_;
    }

    // REQUIRES  size() > 0.
    T pop() noexcept {
        T* const oldest = slot(0);
        T item = std::move(*oldest);
        oldest->~T();  // NOLINT(clang-analyzer-cplusplus.Move): moved-from, but alive
        first_ = (first_ + 1) & (room_.capacity() - 1);
        --size_;
        return item;
    }

    void swap(ring& other) noexcept {
        std::swap(room_, other.room_);
        std::swap(first_, other.first_);
        std::swap(size_, other.size_);
    }

    // Moves into `larger`, and returns the room that was left.
    // REQUIRES  larger holds size() items at least.
    room move_into(room larger) noexcept {
        for (std::size_t i = 0; i < size_; ++i) {
            T* const from = slot(i);
            ::new (static_cast<void*>(larger.slots() + i)) T(std::move(*from));
            from->~T();  // NOLINT(clang-analyzer-cplusplus.Move): moved-from, but alive
        }
        first_ = 0;
        std::swap(room_, larger);
        return larger;
    }

  private:
    T* slot(std::size_t i) const noexcept {
        return room_.slots() + ((first_ + i) & (room_.capacity() - 1));
    }

    room room_;
    std::size_t first_ = 0;
    std::size_t size_ = 0;
};

}  // namespace tendril::detail
