// ring.hpp - a first-in-first-out buffer that allocates only to grow, and only where it
// is told to: its owner allocates room outside of the lock that guards the ring, and
// hands it over under the lock.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>
#include <memory>
#include <type_traits>
#include <utility>

namespace tendril::detail {

template <class T>
class ring {
    static_assert(std::is_nothrow_move_constructible_v<T>,
                  "items are moved under a lock, so moving one must not throw");

  public:
    // Raw memory for a number of items.
    class room {
      public:
        room() noexcept = default;

        explicit room(std::size_t capacity)
            : slots_(std::allocator<T>().allocate(capacity)), capacity_(capacity) {}

        room(room&& other) noexcept
            : slots_(std::exchange(other.slots_, nullptr)),
              capacity_(std::exchange(other.capacity_, 0)) {}

        room& operator=(room other) noexcept {
            std::swap(slots_, other.slots_);
            std::swap(capacity_, other.capacity_);
            return *this;
        }

        ~room() {
            if (slots_ != nullptr) std::allocator<T>().deallocate(slots_, capacity_);
        }

      private:
        friend class ring;
        T* slots_ = nullptr;
        std::size_t capacity_ = 0;  // zero, or a power of two
    };

    ring() = default;
    ring(const ring&) = delete;
    ring& operator=(const ring&) = delete;

    ~ring() {
        while (size_ > 0) pop();
    }

    std::size_t size() const noexcept { return size_; }

    std::size_t capacity() const noexcept { return room_.capacity_; }

    // REQUIRES  size() < capacity().
    void push(T&& item) noexcept {
        ::new (static_cast<void*>(slot(size_))) T(std::move(item));
        ++size_;
    }

    // REQUIRES  size() > 0.
    T pop() noexcept {
        T* const oldest = slot(0);
        T item = std::move(*oldest);
        oldest->~T();
        first_ = (first_ + 1) & (room_.capacity_ - 1);
        --size_;
        return item;
    }

    // Moves into `larger`, and returns the room that was left.
    // REQUIRES  larger holds size() items at least.
    room move_into(room larger) noexcept {
        for (std::size_t i = 0; i < size_; ++i) {
            T* const from = slot(i);
            ::new (static_cast<void*>(larger.slots_ + i)) T(std::move(*from));
            from->~T();
        }
        first_ = 0;
        std::swap(room_, larger);
        return larger;
    }

  private:
    T* slot(std::size_t i) const noexcept {
        return room_.slots_ + ((first_ + i) & (room_.capacity_ - 1));
    }

    room room_;
    std::size_t first_ = 0;
    std::size_t size_ = 0;
};

}  // namespace tendril::detail
