// heap.hpp - the buffers of lifo_queue and priority_queue: items side by side, of which
// the last is the next, or the first by an order.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <tendril/sync/detail/room.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace tendril::detail {

template <class T>
class stack_buffer {
  public:
    using room = detail::room<T>;

    stack_buffer() = default;
    stack_buffer(const stack_buffer&) = delete;
    stack_buffer& operator=(const stack_buffer&) = delete;

    ~stack_buffer() {
        while (size_ > 0) pop();
    }

    std::size_t size() const noexcept { return size_; }

    std::size_t capacity() const noexcept { return room_.capacity(); }

    // REQUIRES  size() < capacity().
    void push(T&& item) noexcept {
        ::new (static_cast<void*>(end())) T(std::move(item));
        ++size_;
    }

    // The newest. REQUIRES  size() > 0.
    T pop() noexcept {
        --size_;
        T item = std::move(*end());
        end()->~T();  // NOLINT(clang-analyzer-cplusplus.Move): moved-from, but alive
        return item;
    }

    void swap(stack_buffer& other) noexcept {
        std::swap(room_, other.room_);
        std::swap(size_, other.size_);
    }

    // Moves into `larger`, and returns the room that was left.
    // REQUIRES  larger holds size() items at least.
    room move_into(room larger) noexcept {
        for (std::size_t i = 0; i < size_; ++i) {
            T* const from = begin() + i;
            ::new (static_cast<void*>(larger.slots() + i)) T(std::move(*from));
            from->~T();  // NOLINT(clang-analyzer-cplusplus.Move): moved-from, but alive
        }
        std::swap(room_, larger);
        return larger;
    }

  protected:
    T* begin() const noexcept { return room_.slots(); }

    T* end() const noexcept { return room_.slots() + size_; }

  private:
    room room_;
    std::size_t size_ = 0;
};

// An item, and how many were put before it.
template <class T>
struct numbered {
    T item;
    std::uint64_t number;
};

template <class T, class Before>
class heap_buffer : private stack_buffer<numbered<T>> {
    using base = stack_buffer<numbered<T>>;

  public:
    using typename base::room;

    using base::capacity;
    using base::move_into;
    using base::size;

    void swap(heap_buffer& other) noexcept { base::swap(other); }

    // REQUIRES  size() < capacity(); Before does not throw.
    void push(T&& item) noexcept {
        base::push({std::move(item), next_number_++});
        std::push_heap(base::begin(), base::end(), later);
    }

    // The first by the order, of equal ones the oldest. REQUIRES  size() > 0.
    T pop() noexcept {
        std::pop_heap(base::begin(), base::end(), later);
        return base::pop().item;
    }

  private:
    static bool later(const numbered<T>& a, const numbered<T>& b) {
        const Before before{};
        if (before(b.item, a.item)) return true;
        return !before(a.item, b.item) && b.number < a.number;
    }

    std::uint64_t next_number_ = 0;
};

}  // namespace tendril::detail
