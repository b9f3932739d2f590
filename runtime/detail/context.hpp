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

// Leaves for the stack at `to`; returns when somebody jumps back here.
//
// On x86-64 without a call: jump_fcontext comes back by an indirect jump and not by a
// return, so a call to it would leave the processor's return predictor with one entry
// too many at each switch, and every return after it mispredicted, 5 ns each. It finds
// the return address that it wants on the stack all the same. Inlined at all costs:
// ThreadSanitizer counts calls and returns of each fiber, and one of this function
// would begin on one fiber and end on another.
[[gnu::always_inline]] inline arrival jump(void* to, fiber_core& from) noexcept {
#if defined(__x86_64__)
    void* sp;
    void* data = &from;
    void* arrived_with;
    asm volatile(
        "leaq 1f(%%rip), %%rax\n\t"
        "pushq %%rax\n\t"
        "jmp jump_fcontext\n"
        "1:"
        : "=&a"(sp), "=&d"(arrived_with), "+D"(to), "+S"(data)
        :
        // Where it is inlined, x87 values may be alive, other than at a call.
        : "rcx", "r8", "r9", "r10", "r11", "memory", "cc", "st", "st(1)", "st(2)",
          "st(3)", "st(4)", "st(5)", "st(6)", "st(7)", "xmm0", "xmm1", "xmm2", "xmm3",
          "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12",
          "xmm13", "xmm14", "xmm15"
#if defined(__AVX512F__)
          ,
          "xmm16", "xmm17", "xmm18", "xmm19", "xmm20", "xmm21", "xmm22", "xmm23",
          "xmm24", "xmm25", "xmm26", "xmm27", "xmm28", "xmm29", "xmm30", "xmm31", "k0",
          "k1", "k2", "k3", "k4", "k5", "k6", "k7"
#endif
    );
    return {sp, static_cast<fiber_core*>(arrived_with)};
#else
    return arrived(boost::context::detail::jump_fcontext(to, &from));
#endif
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
