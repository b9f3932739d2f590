// allocations.cpp - counts by standing in for malloc; where a sanitizer does that
// already, by its hook.
//
// SPDX-License-Identifier: BSL-1.0
#include "allocations.hpp"

#include <atomic>
#include <cstddef>

#include "hub_threads.hpp"

namespace {

std::atomic<std::size_t> count{0};

void counted() noexcept {
    count.fetch_add(1, std::memory_order_relaxed);
}

}  // namespace

namespace tendril::test {

std::size_t allocations() noexcept {
    return count;
}

}  // namespace tendril::test

#if defined(TENDRIL_TEST_SANITIZED)

// Declared in sanitizer/allocator_interface.h, which GCC does not bring.
extern "C" int __sanitizer_install_malloc_and_free_hooks(
    void (*allocated)(const volatile void*, std::size_t),
    void (*freed)(const volatile void*));

namespace {

const int installed = __sanitizer_install_malloc_and_free_hooks(
    [](const volatile void*, std::size_t) { counted(); }, [](const volatile void*) {});

}  // namespace

#else

// The C library's own names for what is replaced here.
extern "C" {
void* __libc_malloc(std::size_t size);
void* __libc_calloc(std::size_t items, std::size_t size);
void* __libc_realloc(void* old, std::size_t size);
void* __libc_memalign(std::size_t alignment, std::size_t size);

void* malloc(std::size_t size) {
    counted();
    return __libc_malloc(size);
}

void* calloc(std::size_t items, std::size_t size) {
    counted();
    return __libc_calloc(items, size);
}

void* realloc(void* old, std::size_t size) {
    counted();
    return __libc_realloc(old, size);
}

void* aligned_alloc(std::size_t alignment, std::size_t size) {
    counted();
    return __libc_memalign(alignment, size);
}
}

#endif
