// sum.hpp - items to pass on, and whether all of them have come.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstdint>

#include "measure.hpp"

namespace bench {

inline int item(std::uint64_t i) {
    return static_cast<int>(i % 7);
}

class sum_of_items {
  public:
    void add(int item) { sum_ += static_cast<std::uint64_t>(item); }

    // That item(0) to item(n - 1) have been added.
    void require_all_of(std::uint64_t n) const {
        require(sum_ == n / 7 * 21 + n % 7 * (n % 7 - 1) / 2, "an item was lost");
    }

  private:
    std::uint64_t sum_ = 0;
};

}  // namespace bench
