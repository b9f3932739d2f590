// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/detail/context.hpp>

#if defined(__x86_64__)

// jump_fcontext comes back by an indirect jump, not by a return, so the processor's
// return predictor is left with one entry too many at each switch, and every return
// after it is mispredicted: 5 ns for each, on the machine of the README. Here the jump
// comes back to a `ret` of our own, which takes that entry off again. It even predicts
// right when the fiber arrived at was left at the same place as the one just left.
asm(R"(
    .text
    .globl tendril_jump_balanced
    .hidden tendril_jump_balanced
    .type tendril_jump_balanced, @function
    .p2align 4
tendril_jump_balanced:
    .cfi_startproc
    leaq 1f(%rip), %rax
    pushq %rax
    .cfi_adjust_cfa_offset 8
    jmp jump_fcontext
    .cfi_adjust_cfa_offset -8
1:  ret
    .cfi_endproc
    .size tendril_jump_balanced, .-tendril_jump_balanced
)");

#endif
