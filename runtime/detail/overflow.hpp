// overflow.hpp - a fiber that runs into the guard below its stack is named before the
// process dies of it.
//
// The first hub of a process handles SIGSEGV and SIGBUS, unless somebody else does
// already. A fault in the guard of the running fiber is told on stderr:
//
//     tendril: fiber 7 'parser' (made at server.cpp:31) has run over its stack of
//     262144 bytes; it was at:
//     ./server(_Z5parse...+0x1b)[0x55...]
//
// and then, as for every other fault, what was there before is done: by default, death
// by the signal. Handlers run on a stack of their own, one for each thread with a hub.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>

namespace tendril::detail {

// The calling thread's alternate signal stack, if it had none.
class signal_stack {
  public:
    signal_stack() noexcept;
    signal_stack(const signal_stack&) = delete;
    signal_stack& operator=(const signal_stack&) = delete;
    // On the same thread.
    ~signal_stack();

  private:
    static constexpr std::size_t size = std::size_t{64} * 1024;
    void* at_ = nullptr;  // null if it is not ours
};

// Once for the process.
void name_overflows() noexcept;

}  // namespace tendril::detail
