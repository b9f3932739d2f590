// counted.hpp - an item that can only be moved, and of which it is known how many there
// are: none may be left when a test is over.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <atomic>
#include <utility>

#include "clean_end.hpp"
#include <doctest/doctest.h>

namespace tendril::test {

class counted {
  public:
    static constexpr int moved_from = -1;

    explicit counted(int value) noexcept : value_(value) { ++alive_; }

    counted(counted&& other) noexcept
        : value_(std::exchange(other.value_, moved_from)) {
        ++alive_;
    }

    counted& operator=(counted&& other) noexcept {
        value_ = std::exchange(other.value_, moved_from);
        return *this;
    }

    ~counted() { --alive_; }

    int value() const noexcept { return value_; }

    // Those that have been moved from, too.
    static int alive() noexcept { return alive_; }

  private:
    int value_;
    static inline std::atomic<int> alive_{0};
};

class no_items_left {
  public:
    ~no_items_left() { CHECK(counted::alive() == 0); }
};

// The fixture of tests with `counted` items.
class clean_items : no_items_left, public clean_end {};

}  // namespace tendril::test
