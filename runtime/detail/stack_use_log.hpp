// stack_use_log.hpp - what record_stack_use() has noted so far: one entry for each
// place that fibers are made at.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <tendril/runtime/stack.hpp>

#include <map>
#include <string_view>
#include <tuple>

namespace tendril::detail {

struct fiber_core;

struct stack_use_log {
    // By file, line and stack size: the same place may be one in each translation unit.
    std::map<std::tuple<std::string_view, unsigned long, std::size_t>, stack_use> at;

    // `ended` is over.
    void note(const fiber_core& ended) noexcept;
};

}  // namespace tendril::detail
