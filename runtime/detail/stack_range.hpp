// stack_range.hpp - the one range of addresses that all stacks of the process are in.
//
// Reserved once, 16 TiB without memory behind them, and opened from the low end as it
// is used: so a million stacks are one mapping, however many hubs take turns in asking.
// Where addresses are limited (RLIMIT_AS), or run out, each part is a mapping of its
// own.
//
// Thread rule: any thread.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>

namespace tendril::detail {

// `size` bytes that read as zero, readable and writable, without guards; null when
// addresses have run out. `size` is a multiple of the page size.
std::byte* take_stack_memory(std::size_t size) noexcept;

// Gives them back, guards and all; their memory goes at once.
void give_back_stack_memory(std::byte* at, std::size_t size) noexcept;

struct stack_memory {
    const std::byte* begin;  // of the range; null if there is none
    const std::byte* end;
    std::size_t taken;  // bytes, also those outside the range
};

stack_memory stack_memory_now() noexcept;

}  // namespace tendril::detail
