// room.hpp - raw memory for the items of a buffer.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>
#include <memory>
#include <type_traits>
#include <utility>

namespace tendril::detail {

template <class T>
class room {
    static_assert(std::is_nothrow_move_constructible_v<T>,
                  "items are moved under a lock, so moving one must not throw");

  public:
    room() noexcept = default;

    // THROWS  std::bad_alloc.
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

    T* slots() const noexcept { return slots_; }

    // Zero, or a power of two.
    std::size_t capacity() const noexcept { return capacity_; }

  private:
    T* slots_ = nullptr;
    std::size_t capacity_ = 0;
};

}  // namespace tendril::detail
