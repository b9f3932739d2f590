// stack_pool.hpp - one hub's stacks: guarded once, reused last in first out (the last
// one used is the one still in the cache), and cold ones without memory.
//
// The pool belongs to its hub's thread. Its chunks go back to the process's range of
// stacks (stack_range.hpp) when the pool goes, which is after its last stack has come
// back.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <tendril/runtime/clock.hpp>
#include <tendril/runtime/detail/sanitizer.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
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
    stack take(std::size_t size) {
        size_class& c = size == 0 ? usual_ : class_of(size);
        if (c.free_count == 0 || clean_) [[unlikely]]
            return take_new_or_clean(c);
        return take_free(c);
    }

    // `s` must have come from this pool. Its contents are lost.
    void give_back(stack s) noexcept {
        unpoison(s.bottom, s.size);
        size_class& c = s.size == usual_.size ? usual_ : class_given(s.size);
        c.free[c.free_count++] = s.bottom;
        --in_use_;
    }

    // Stacks handed out and not yet back.
    std::size_t in_use() const noexcept { return in_use_; }

    // -- memory that is not needed any more
    // Free stacks that have not been needed for a whole interval lose their memory. For
    // when there is nothing else to do:

    static constexpr auto trim_interval = std::chrono::seconds(1);

    // There are free stacks with memory.
    bool may_trim() const noexcept;

    // Takes the memory from a few. True if there are more, for which it should be
    // called again soon; else not before next_trim().
    bool trim_some(time_point now) noexcept;

    time_point next_trim() const noexcept { return interval_begin_ + trim_interval; }

    // While on, stacks are handed out without the memory that others have used before,
    // so that resident_part() is what their fiber has used.
    void hand_out_clean(bool on) noexcept { clean_ = on; }

    // THROWS  fiber_error (bad_argument) if no stack may be of this size.
    static void require_size(std::size_t size);

    std::size_t default_size() const noexcept { return default_size_; }

    // THROWS  as take().
    void set_default_size(std::size_t size);

  private:
    // All stacks of one size.
    struct size_class {
        explicit size_class(std::size_t size) : size(size) {}

        std::size_t size;  // usable bytes of each
        // Their bottoms; the last one is the next to be used. There is room for all
        // that have been carved, so that giving back does not fail.
        std::unique_ptr<std::byte*[]> free;
        std::size_t free_count = 0;
        std::size_t room = 0;
        std::size_t carved = 0;
        // Of the first ones in `free`: how many have no memory, how many have not been
        // needed in the last interval, and how many have not been in this one, so far.
        // Each of these numbers is at most the next.
        std::size_t cold = 0;
        std::size_t to_trim = 0;
        std::size_t least = 0;
        std::byte* fresh = nullptr;  // next slot never handed out, in the newest chunk
        std::byte* fresh_end = nullptr;
        std::size_t next_chunk = 16;  // slots to take next time
    };

    struct chunk {
        std::byte* at;
        std::size_t size;
    };

    size_class& class_of(std::size_t size);
    size_class& class_given(std::size_t rounded) noexcept;
    stack take_new_or_clean(size_class& c);

    stack take_free(size_class& c) noexcept {
        const std::size_t left = --c.free_count;
        if (left < c.least) [[unlikely]] {
            c.least = left;
            c.to_trim = std::min(c.to_trim, left);
            c.cold = std::min(c.cold, left);
        }
        ++in_use_;
        return {c.free[left], c.size};
    }

    stack carve(size_class& c);
    static void make_room(size_class& c);
    void take_chunk(size_class& c);

    template <class F>
    void for_each_class(F f);

    size_class usual_;  // the default size's
    std::deque<size_class> others_;
    std::size_t default_size_ = 0;  // as it was asked for
    std::vector<chunk> chunks_;
    std::vector<unsigned> valgrind_ids_;  // of all stacks, if Valgrind is watching
    std::size_t in_use_ = 0;
    bool clean_ = false;
    time_point interval_begin_{};
};

// How many bytes from the end of `s` down to the last one that has memory behind it: at
// least what has been used of it since it was last without. A system call.
std::size_t resident_part(const stack& s) noexcept;

}  // namespace tendril::detail
