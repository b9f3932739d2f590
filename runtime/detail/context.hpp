// context.hpp - the machine switch. The only file that includes Boost.Context.
//
// jump_fcontext saves the callee-saved registers and the floating-point control words
// (MXCSR, x87); everything else a fiber owns is saved in scheduler::transfer().
// Raw fcontext and not boost::context::fiber: since Boost 1.88 that one saves exception
// state too, and two savers break each other.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <tendril/runtime/detail/fiber_core.hpp>

#include <boost/context/detail/fcontext.hpp>

namespace tendril::detail {

struct arrival {
    void* sp;          // where the fiber that was left can be resumed
    fiber_core* from;  // that fiber
};

using entry_point = void (*)(boost::context::detail::transfer_t);

// A stack pointer that, jumped to, calls `entry` on the stack that ends at `top`.
inline void* make_context(void* top, std::size_t size, entry_point entry) noexcept {
    return boost::context::detail::make_fcontext(top, size, entry);
}

inline arrival arrived(boost::context::detail::transfer_t t) noexcept {
    return {t.fctx, static_cast<fiber_core*>(t.data)};
}

#if defined(__x86_64__)
// jump_fcontext, kind to the processor's return predictor; see context.cpp.
extern "C" [[gnu::visibility("hidden")]] boost::context::detail::transfer_t
tendril_jump_balanced(void* to, void* data) noexcept;
#else
inline auto tendril_jump_balanced(void* to, void* data) noexcept {
    return boost::context::detail::jump_fcontext(to, data);
}
#endif

// Inlined at all costs: ThreadSanitizer counts calls and returns of each fiber, and this
// one would begin on one fiber and end on another.
[[gnu::always_inline]] inline arrival jump(void* to, fiber_core& from) noexcept {
    return arrived(tendril_jump_balanced(to, &from));
}

// Leaves a stack that nobody will come back to. Where possible by a jump and not a
// call, for the return predictor again: it then finds the entries of the fiber that was
// left when this one began, which is often the one that goes on now.
[[noreturn, gnu::always_inline]] inline void jump_for_good(void* to) noexcept {
#if defined(__x86_64__)
    asm volatile("jmp jump_fcontext" : : "D"(to), "S"(nullptr) : "memory");
#else
    boost::context::detail::jump_fcontext(to, nullptr);
#endif
    __builtin_unreachable();
}

}  // namespace tendril::detail
