// backtrace.hpp - where a fiber stands, also one that is not running.
//
// Unwinders begin where they are called. So a suspended fiber is visited: its stack is
// switched to, the addresses are taken on top of its frames, and it is left as it was.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <tendril/runtime/detail/fiber_core.hpp>

#include <string>
#include <vector>

namespace tendril::detail {

// The return addresses in the frames of `core`, innermost first; none if it has not
// started, is over, or has less than 8 KiB of its stack left. `most` at most.
// REQUIRES  on the fiber's own thread.
std::vector<void*> backtrace_of(fiber_core& core, int most = 64);

// What the address of a frame is: the one a call returns to, or the next instruction
// where a signal came.
enum class frame_kind { call, interrupted };

// "parse(std::string) +0x1b in ./server (0x55...)", as far as it is known.
std::string describe_frame(void* address, frame_kind kind = frame_kind::call);

}  // namespace tendril::detail
