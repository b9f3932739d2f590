// sanitizer.hpp - what AddressSanitizer, ThreadSanitizer and Valgrind must be told
// about stacks. Empty in ordinary builds.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>

#if defined(__SANITIZE_ADDRESS__)
#define TENDRIL_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define TENDRIL_ASAN 1
#endif
#endif

#if defined(__SANITIZE_THREAD__)
#define TENDRIL_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define TENDRIL_TSAN 1
#endif
#endif

#if defined(TENDRIL_ASAN)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#if defined(TENDRIL_TSAN)
#include <sanitizer/tsan_interface.h>
#endif
#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#define TENDRIL_VALGRIND 1
#endif

namespace tendril::detail {

// What the tools keep for one stack while another runs.
struct sanitizer_state {
#if defined(TENDRIL_ASAN)
    void* fake_stack = nullptr;
    const void* bottom = nullptr;
    std::size_t size = 0;
#endif
#if defined(TENDRIL_TSAN)
    void* tsan_fiber = nullptr;
#endif
};

inline bool running_on_valgrind() noexcept {
#if defined(TENDRIL_VALGRIND)
    return RUNNING_ON_VALGRIND != 0;
#else
    return false;
#endif
}

// Tells Valgrind that this memory is a stack, and later that it is one no more. Once
// for each stack, not for each fiber on it: the notes cost something in every build.
inline unsigned valgrind_register([[maybe_unused]] void* bottom,
                                  [[maybe_unused]] std::size_t size) noexcept {
#if defined(TENDRIL_VALGRIND)
    return VALGRIND_STACK_REGISTER(bottom, static_cast<std::byte*>(bottom) + size);
#else
    return 0;
#endif
}

inline void valgrind_deregister([[maybe_unused]] unsigned id) noexcept {
#if defined(TENDRIL_VALGRIND)
    VALGRIND_STACK_DEREGISTER(id);
#endif
}

inline void unpoison([[maybe_unused]] void* at,
                     [[maybe_unused]] std::size_t size) noexcept {
#if defined(TENDRIL_ASAN)
    __asan_unpoison_memory_region(at, size);
#endif
}

// A fresh stack is about to be used for the first time by a fiber.
inline void sanitizer_begin([[maybe_unused]] sanitizer_state& s,
                            [[maybe_unused]] void* bottom,
                            [[maybe_unused]] std::size_t size) noexcept {
#if defined(TENDRIL_ASAN)
    s.bottom = bottom;
    s.size = size;
#endif
#if defined(TENDRIL_TSAN)
    s.tsan_fiber = __tsan_create_fiber(0);
#endif
}

// The thread's own stack, whose bounds ASan tells us at the first switch away from it.
inline void sanitizer_adopt_thread([[maybe_unused]] sanitizer_state& s) noexcept {
#if defined(TENDRIL_TSAN)
    s.tsan_fiber = __tsan_get_current_fiber();
#endif
}

// The fiber of this stack is over and will not run again.
inline void sanitizer_end([[maybe_unused]] sanitizer_state& s) noexcept {
#if defined(TENDRIL_TSAN)
    __tsan_destroy_fiber(s.tsan_fiber);
#endif
}

// Right before the jump. `dying`: `from` never runs again, so its fake stack may go.
[[gnu::always_inline]] inline void sanitizer_leave(
    [[maybe_unused]] sanitizer_state& from,
    [[maybe_unused]] sanitizer_state& to,
    [[maybe_unused]] bool dying) noexcept {
#if defined(TENDRIL_ASAN)
    __sanitizer_start_switch_fiber(dying ? nullptr : &from.fake_stack, to.bottom,
                                   to.size);
#endif
#if defined(TENDRIL_TSAN)
    __tsan_switch_to_fiber(to.tsan_fiber, 0);
#endif
}

// First thing after the jump, on the new stack: `from` is what was left, null if it
// died.
[[gnu::always_inline]] inline void sanitizer_arrive(
    [[maybe_unused]] sanitizer_state& self,
    [[maybe_unused]] sanitizer_state* from) noexcept {
#if defined(TENDRIL_ASAN)
    // No locals: the caller is not instrumented, so their poison would stay behind.
    __sanitizer_finish_switch_fiber(self.fake_stack,
                                    from != nullptr ? &from->bottom : nullptr,
                                    from != nullptr ? &from->size : nullptr);
#endif
}

}  // namespace tendril::detail
