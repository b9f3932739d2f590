// as_completed.hpp - fibers or futures in the order in which they end:
// asyncio.as_completed.
//
//     for (fiber<page>& f : as_completed(fetchers, 5s)) show(f.wait());
//
// What comes out are the handles that went in, each once, ended. Leaving the loop
// early, or being killed in it, ends none of them.
//
// begin() and ++ park until the next one has ended. Thread rule: the caller's fiber;
// fibers and futures may be of any thread.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <tendril/runtime/cancel.hpp>
#include <tendril/runtime/clock.hpp>
#include <tendril/sync/detail/work.hpp>
#include <tendril/sync/wait.hpp>
#include <tendril/sync/wait_queue.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <iterator>
#include <utility>
#include <vector>

namespace tendril {

// What as_completed() returns: a range to go through once.
template <detail::handle Work>
class completions {
  public:
    completions(std::vector<Work> works, time_point deadline)
        : works_(std::move(works)),
          awaited_(detail::all_awaited(works_)),
          ended_(awaited_),
          left_(works_.size()),
          deadline_(deadline) {}

    completions(const completions&) = delete;
    completions& operator=(const completions&) = delete;
    ~completions() = default;

    class iterator {
      public:
        using value_type = Work;
        using difference_type = std::ptrdiff_t;
        using iterator_concept = std::input_iterator_tag;

        iterator() = default;

        Work& operator*() const noexcept { return range_->works_[range_->at_]; }

        Work* operator->() const noexcept { return &**this; }

        iterator& operator++() {
            range_->advance();
            return *this;
        }

        void operator++(int) { ++*this; }

        bool operator==(std::default_sentinel_t /*end*/) const noexcept {
            return range_->over_;
        }

      private:
        friend class completions;

        explicit iterator(completions& range) noexcept : range_(&range) {}

        completions* range_ = nullptr;
    };

    // THROWS  deadline_exceeded when the time is over and no other one has ended; what
    //         is thrown into the caller. So does ++.
    iterator begin() {
        advance();
        return iterator(*this);
    }

    std::default_sentinel_t end() const noexcept { return {}; }

  private:
    void advance() {
        over_ = left_ == 0;
        if (over_) return;
        const auto next = ended_.next(deadline_);
        if (!next) throw deadline_exceeded("as_completed: the time is over");
        --left_;
        at_ = *next;
    }

    std::vector<Work> works_;
    std::vector<detail::awaited> awaited_;
    detail::endings ended_;
    std::size_t left_;
    std::size_t at_ = 0;
    bool over_ = false;
    time_point deadline_;
};

// THROWS  fiber_error: dead for an empty handle, in_hub.
template <detail::range_of_handles Range>
auto as_completed(const Range& works, time_point deadline = never) {
    using Work = std::ranges::range_value_t<Range>;
    std::vector<Work> each;
    for (const Work& one : works) {
        if (std::find(each.begin(), each.end(), one) == each.end()) each.push_back(one);
    }
    return completions<Work>(std::move(each), deadline);
}

template <detail::range_of_handles Range, class Rep, class Period>
auto as_completed(const Range& works, std::chrono::duration<Rep, Period> d) {
    return as_completed(works, detail::from_now(d));
}

}  // namespace tendril
