// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/detail/scheduler.hpp>
#include <tendril/test/allocation_faults.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <new>

namespace tendril::test {
namespace {

std::atomic<long> in_use{0};

struct plan {
    const detail::fiber_core* whose = nullptr;
    bool sticky = false;
    bool failed = false;
    std::size_t left = 0;
};

thread_local plan mine;

[[maybe_unused]] bool fails() noexcept {
    // In the child of a fork there is no scheduler.
    const detail::scheduler* const s = detail::this_scheduler;
    if (mine.whose == nullptr || s == nullptr || s->current != mine.whose) return false;
    if (mine.failed) return mine.sticky;
    if (mine.left-- > 0) return false;
    mine.failed = true;
    return true;
}

[[maybe_unused]] void* allocate(std::size_t size, std::size_t alignment) noexcept {
    if (fails()) return nullptr;
    size = size != 0 ? size : 1;
    void* const block = alignment <= alignof(std::max_align_t)
                            ? std::malloc(size)
                            : std::aligned_alloc(alignment, (size + alignment - 1) /
                                                                alignment * alignment);
    if (block != nullptr) in_use.fetch_add(1, std::memory_order_relaxed);
    return block;
}

[[maybe_unused]] void* allocate_or_throw(std::size_t size, std::size_t alignment) {
    if (void* const block = allocate(size, alignment)) return block;
    throw std::bad_alloc();
}

[[maybe_unused]] void give_back(void* block) noexcept {
    if (block != nullptr) in_use.fetch_sub(1, std::memory_order_relaxed);
    std::free(block);
}

}  // namespace

long blocks_in_use() noexcept {
    return in_use;
}

failing_allocations::failing_allocations(std::size_t at, bool sticky) noexcept {
    mine = {.whose = detail::current_scheduler().current,
            .sticky = sticky,
            .failed = false,
            .left = at};
}

failing_allocations::~failing_allocations() {
    mine.whose = nullptr;
}

bool failing_allocations::failed() const noexcept {
    return mine.failed;
}

bool can_fail_allocations() noexcept {
#if defined(TENDRIL_OWN_ALLOCATOR)
    return true;
#else
    return false;
#endif
}

}  // namespace tendril::test

#if defined(TENDRIL_OWN_ALLOCATOR)
using tendril::test::allocate;
using tendril::test::allocate_or_throw;
using tendril::test::give_back;

// The forms that the standard's other ones call (C++20, new.delete).
void* operator new(std::size_t size) {
    return allocate_or_throw(size, 0);
}

void* operator new(std::size_t size, const std::nothrow_t& /*how*/) noexcept {
    return allocate(size, 0);
}

void* operator new(std::size_t size, std::align_val_t alignment) {
    return allocate_or_throw(size, static_cast<std::size_t>(alignment));
}

void* operator new(std::size_t size,
                   std::align_val_t alignment,
                   const std::nothrow_t& /*how*/) noexcept {
    return allocate(size, static_cast<std::size_t>(alignment));
}

void operator delete(void* block) noexcept {
    give_back(block);
}

void operator delete(void* block, std::size_t /*size*/) noexcept {
    give_back(block);
}

void operator delete(void* block, std::align_val_t /*alignment*/) noexcept {
    give_back(block);
}

void operator delete(void* block,
                     std::size_t /*size*/,
                     std::align_val_t /*alignment*/) noexcept {
    give_back(block);
}
#endif
