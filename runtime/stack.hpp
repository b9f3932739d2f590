// stack.hpp - the memory that fibers run on.
//
// A stack is a slot of address space: a guard at the low end, then the usable bytes.
// Pages cost memory only once touched, so a large stack that is little used is cheap;
// most parked fibers keep one page (4 KiB) resident. Running into the guard is a
// SIGSEGV and never someone else's memory, for frames up to the guard's size; build
// with -fstack-clash-protection to cover larger ones too.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>

namespace tendril {

// Bytes usable by a fiber that asks for nothing else. Room for printf, getaddrinfo or
// a TLS handshake.
inline constexpr std::size_t default_stack_size = std::size_t{256} * 1024;

// Bytes; a spawn that asks for less is a fiber_error (bad_argument).
inline constexpr std::size_t minimum_stack_size = std::size_t{16} * 1024;

// Bytes of guard below each stack; every access to it faults.
inline constexpr std::size_t stack_guard_size = std::size_t{68} * 1024;

// Sets the size, in bytes, of stacks of fibers that this thread spawns from here on
// without a size of their own, and returns the previous one. Rounded up to a page.
// THROWS  fiber_error (bad_argument) under minimum_stack_size.
std::size_t set_default_stack_size(std::size_t bytes);

}  // namespace tendril
