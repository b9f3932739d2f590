// stack.hpp - the memory that fibers run on.
//
// A stack is a slot of address space: a guard at the low end, then the usable bytes.
// Pages cost memory only once touched, so a large stack that is little used is cheap;
// most parked fibers keep one page (4 KiB) resident. Running into the guard is a
// SIGSEGV and never someone else's memory, for frames up to the guard's size; build
// with -fstack-clash-protection to cover larger ones too.
//
// So a stack may be larger than the machine's memory, up to 1 TiB: it takes addresses.
// Where there are no more of them, or they are limited (RLIMIT_AS), the spawn is a
// std::bad_alloc. Whoever touches more than there is memory for meets the system's own
// way of running out of it.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <tendril/runtime/detail/call_site.hpp>

#include <cstddef>
#include <vector>

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

// -- how much is used

// The fibers and greenlets of one size that were made at one place.
struct stack_use {
    call_site where;             // empty where spawn() was given arguments, no options
    std::size_t stack_size = 0;  // bytes
    std::size_t most = 0;        // bytes, whole pages: what the hungriest has used
    std::size_t count = 0;       // how many have ended
};

// From here on, notes how much of its stack each fiber of this thread has used when it
// ends: for choosing stack sizes. Costs two system calls and a page fault a fiber.
// false stops, and what has been noted stays.
void record_stack_use(bool on);

// What has been noted on this thread, the hungriest first.
std::vector<stack_use> recorded_stack_use();

}  // namespace tendril
