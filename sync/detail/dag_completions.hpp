// dag_completions.hpp - the range that dag_pool::wait_each returns.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>
#include <iterator>
#include <utility>

namespace tendril::detail {

// Pool: a dag_pool<K, V>, whose header includes this one.
template <class Pool, class K, class V>
class dag_completions {
  public:
    class iterator {
      public:
        using value_type = std::pair<const K&, const V&>;
        using difference_type = std::ptrdiff_t;
        using iterator_concept = std::input_iterator_tag;

        explicit iterator(Pool& of) noexcept : of_(&of) {}

        // REQUIRES  not at the end.
        value_type operator*() const {
            const auto& e = *of_->dag_.settled()[at_];
            return {e.first, e.second.value_or_throw()};
        }

        iterator& operator++() noexcept {
            ++at_;
            return *this;
        }

        void operator++(int) noexcept { ++at_; }

        bool operator==(std::default_sentinel_t /*end*/) const {
            return !of_->wait_for_more_than(at_);
        }

      private:
        Pool* of_;
        std::size_t at_ = 0;
    };

    explicit dag_completions(Pool& of) noexcept : of_(&of) {}

    iterator begin() const noexcept { return iterator(*of_); }

    static std::default_sentinel_t end() noexcept { return {}; }

  private:
    Pool* of_;
};

}  // namespace tendril::detail
