// stack_pool.hpp - one hub's stacks: reserved in chunks, guarded once, reused last in
// first out (the last one used is the one still in the cache).
//
// The pool belongs to its hub's thread. Chunks are unmapped when the pool goes, which
// is after its last stack has come back.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <vector>

namespace tendril::detail {

struct stack {
    std::byte* bottom = nullptr;  // lowest usable byte, just above the guard
    std::size_t size = 0;         // usable bytes, a multiple of the page size

    std::byte* end() const noexcept { return bottom + size; }

    // Where the first frame may begin. Staggered over half a page from slot to slot:
    // were every stack to begin at the same offset of its page, the hot lines of all
    // fibers would compete for the same few sets of the first-level cache.
    std::byte* top() const noexcept {
        // Slots are an odd number of pages apart, so the page number takes turns.
        const std::uintptr_t page = reinterpret_cast<std::uintptr_t>(bottom) / 4096;
        return end() - page % 32 * 64;
    }
};

class stack_pool {
  public:
    stack_pool();
    stack_pool(const stack_pool&) = delete;
    stack_pool& operator=(const stack_pool&) = delete;
    ~stack_pool();

    // A guarded stack of at least `size` usable bytes; 0 means the default size.
    // THROWS  std::bad_alloc when memory or mappings have run out;
    //         fiber_error (bad_argument) if size is under the minimum or absurd.
    stack take(std::size_t size);

    // `s` must have come from this pool. Its contents are lost.
    void give_back(stack s) noexcept;

    // Stacks handed out and not yet back.
    std::size_t in_use() const noexcept { return in_use_; }

    std::size_t default_size() const noexcept { return default_size_; }

    // THROWS  as take().
    void set_default_size(std::size_t size);

  private:
    struct free_stack {
        free_stack* next;
    };

    // All stacks of one size.
    struct size_class {
        std::size_t size;            // usable bytes of each
        free_stack* free = nullptr;  // links live at the top of the stacks themselves
        std::byte* fresh = nullptr;  // next slot never handed out, in the newest chunk
        std::byte* fresh_end = nullptr;
        std::size_t next_chunk = 16;  // slots to reserve next time
    };

    struct chunk {
        std::byte* at;
        std::size_t size;
    };

    size_class& class_of(std::size_t size);
    size_class& class_given(std::size_t rounded) noexcept;
    stack carve(size_class& c);
    void reserve_chunk(size_class& c);

    size_class usual_{};  // the default size's
    std::deque<size_class> others_;
    std::size_t default_size_ = 0;  // as it was asked for
    std::vector<chunk> chunks_;
    std::vector<unsigned> valgrind_ids_;  // of all stacks, if Valgrind is watching
    std::size_t in_use_ = 0;
};

}  // namespace tendril::detail
