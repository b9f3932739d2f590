// result_line.hpp - fibers whose results are given out one after the other.
//
// A result stays first in line until it is passed over: a wait for it that is
// interrupted loses nothing, and can be made again.
//
// Thread rule: one thread.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <tendril/runtime/fiber.hpp>

#include <cstddef>
#include <list>
#include <optional>
#include <utility>

namespace tendril::detail {

template <class R>
class result_line {
  public:
    using fibers = std::list<fiber<R>>;

    bool empty() const noexcept { return line_.empty(); }

    std::size_t size() const noexcept { return line_.size(); }

    const fibers& all() const noexcept { return line_; }

    // Takes the fiber at `one` out of `from`, and puts it at the end.
    void add(fibers& from, typename fibers::iterator one) noexcept {
        line_.splice(line_.end(), from, one);
    }

    // The first result; parks until it is there, and throws what came instead, each
    // time.
    // REQUIRES  not empty.
    R& front() {
        if (!first_) first_.emplace(std::move(line_.front()).wait());
        return *first_;
    }

    // Parks until the first fiber has ended, if nobody has waited for it yet.
    // REQUIRES  not empty.
    void pop() {
        line_.front().join();
        first_.reset();
        line_.pop_front();
    }

  private:
    fibers line_;
    std::optional<R> first_;
};

}  // namespace tendril::detail
