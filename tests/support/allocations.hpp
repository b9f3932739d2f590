// allocations.hpp - how often memory has been allocated, by malloc and its kin or by
// operator new. Only in test executables that allocations.cpp is part of.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>

namespace tendril::test {

// Since the program began, by all threads.
std::size_t allocations() noexcept;

}  // namespace tendril::test
