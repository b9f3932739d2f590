// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/detail/sanitizer.hpp>
#include <tendril/runtime/detail/stack_pool.hpp>
#include <tendril/runtime/error.hpp>
#include <tendril/runtime/stack.hpp>

#include <algorithm>
#include <cerrno>
#include <new>
#include <string>
#include <utility>

#include <sys/mman.h>
#include <unistd.h>

namespace tendril::detail {
namespace {

constexpr std::size_t page = 4096;
constexpr std::size_t largest_stack = std::size_t{1} << 40;

// Guards made by MADV_GUARD_INSTALL (Linux 6.13, 102, not in Debian 12's headers) live
// in the page tables and split no mapping, so their number is not limited by
// vm.max_map_count. Kernels without it get mprotect, which costs two mappings a stack.
constexpr int madv_guard_install = 102;

void install_guard(std::byte* at) {
    static const bool by_mprotect = running_on_valgrind();
    if (!by_mprotect && madvise(at, stack_guard_size, madv_guard_install) == 0) return;
    if (mprotect(at, stack_guard_size, PROT_NONE) != 0) throw std::bad_alloc();
}

// An odd number of pages a slot (the guard has 17, so the rest must be even) spreads
// the tops of the stacks over all sets of the second-level TLB, and over stack::top()'s
// steps.
constexpr std::size_t round_up(std::size_t size) {
    return (size + 2 * page - 1) / (2 * page) * (2 * page);
}

constexpr std::size_t slot_size(std::size_t usable) {
    return usable + stack_guard_size;
}

}  // namespace

stack_pool::stack_pool() : default_size_(default_stack_size) {
    usual_.size = round_up(default_stack_size);
}

stack_pool::~stack_pool() {
    for (const unsigned id : valgrind_ids_) valgrind_deregister(id);
    for (const chunk& c : chunks_) munmap(c.at, c.size);
}

stack stack_pool::take(std::size_t size) {
    size_class& c = size == 0 ? usual_ : class_of(size);
    stack s;
    if (c.free != nullptr) {
        free_stack* const taken = c.free;
        c.free = taken->next;
        s = {reinterpret_cast<std::byte*>(taken) + sizeof(free_stack) - c.size, c.size};
    } else {
        s = carve(c);
    }
    ++in_use_;
    return s;
}

void stack_pool::give_back(stack s) noexcept {
    unpoison(s.bottom, s.size);
    auto* const link = reinterpret_cast<free_stack*>(s.end()) - 1;
    size_class& c = s.size == usual_.size ? usual_ : class_given(s.size);
    link->next = c.free;
    c.free = link;
    --in_use_;
}

void stack_pool::set_default_size(std::size_t size) {
    size_class& c = class_of(size);
    // The two change places, so that the usual one stays at hand.
    if (&c != &usual_) std::swap(c, usual_);
    default_size_ = size;
}

stack_pool::size_class& stack_pool::class_of(std::size_t size) {
    if (size < minimum_stack_size || size > largest_stack) {
        fail(errc::bad_argument, "a stack of " + std::to_string(size) +
                                     " bytes was asked for; it must be " +
                                     std::to_string(minimum_stack_size) +
                                     " or more, and at most 1 TiB");
    }
    const std::size_t rounded = round_up(size);
    if (rounded == usual_.size) return usual_;
    for (size_class& c : others_) {
        if (c.size == rounded) return c;
    }
    return others_.emplace_back(size_class{.size = rounded});
}

stack_pool::size_class& stack_pool::class_given(std::size_t rounded) noexcept {
    return *std::find_if(others_.begin(), others_.end(),
                         [=](const size_class& c) { return c.size == rounded; });
}

stack stack_pool::carve(size_class& c) {
    if (c.fresh == c.fresh_end) reserve_chunk(c);
    install_guard(c.fresh);
    const stack s{c.fresh + stack_guard_size, c.size};
    c.fresh += slot_size(c.size);
    if (running_on_valgrind()) {
        valgrind_ids_.push_back(valgrind_register(s.bottom, s.size));
    }
    return s;
}

void stack_pool::reserve_chunk(size_class& c) {
    chunks_.reserve(chunks_.size() + 1);
    for (std::size_t slots = c.next_chunk;; slots /= 2) {
        if (slots == 0) throw std::bad_alloc();
        const std::size_t size = slots * slot_size(c.size);
        void* const at =
            mmap(nullptr, size, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
        if (at == MAP_FAILED) continue;
        // A huge page under a stack would make all of it resident at the first touch.
        madvise(at, size, MADV_NOHUGEPAGE);
        chunks_.push_back({static_cast<std::byte*>(at), size});
        c.fresh = static_cast<std::byte*>(at);
        c.fresh_end = c.fresh + size;
        c.next_chunk = std::min<std::size_t>(slots * 2, 1024);
        return;
    }
}

}  // namespace tendril::detail
