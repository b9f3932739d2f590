// pool_map.hpp - the ranges that pool::imap and its kin return, see pool.hpp.
//
// It holds a line of fibers, whose results are given out one after the other. imap()
// puts each in line when it is spawned, imap_unordered() when it has ended.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <tendril/runtime/detail/unique_function.hpp>
#include <tendril/runtime/error.hpp>
#include <tendril/runtime/fiber.hpp>
#include <tendril/sync/detail/end_all.hpp>
#include <tendril/sync/detail/result_line.hpp>
#include <tendril/sync/flag.hpp>

#include <cstddef>
#include <functional>
#include <iterator>
#include <optional>
#include <type_traits>
#include <utility>
#include <variant>

namespace tendril::detail {

enum class map_order { as_given, as_done };

// Pool: tendril::pool, whose header includes this one. Items: a range, or a reference
// to one.
template <class Pool, map_order Order, class Items, class F>
class pool_map {
    using item_iterator = decltype(std::begin(std::declval<Items&>()));
    using item = std::decay_t<decltype(*std::declval<item_iterator&>())>;
    using returned = std::invoke_result_t<F&, item>;
    using result = std::
        conditional_t<std::is_void_v<returned>, std::monostate, std::decay_t<returned>>;
    using fibers = typename result_line<result>::fibers;

  public:
    class iterator;

    template <class G>
    pool_map(Pool& by, G&& f, Items&& items)
        : pool_(by), f_(std::forward<G>(f)), items_(std::forward<Items>(items)) {
        const auto& callable = f_;
        if (is_null_callable(callable)) {
            fail(errc::bad_argument, "pool::imap was given nothing to call");
        }
    }

    pool_map(const pool_map&) = delete;
    pool_map& operator=(const pool_map&) = delete;

    ~pool_map() {
        left_ = true;
        end_all(running_);
        end_all(line_.all());
    }

    iterator begin() noexcept { return iterator(*this); }

    static std::default_sentinel_t end() noexcept { return {}; }

  private:
    std::size_t under_way() const noexcept { return running_.size() + line_.size(); }

    bool has_items() {
        if (!next_) {
            next_.emplace(std::begin(items_));
        } else if (used_) {
            ++*next_;
        }
        used_ = false;
        return *next_ != std::end(items_);
    }

    bool has_room() const noexcept {
        if (under_way() == 0) return true;
        return pool_.free() > 0 && under_way() < static_cast<std::size_t>(pool_.size());
    }

    void read_ahead() {
        while (has_room() && has_items()) {
            fibers one(1);  // first, so that no fiber is lost for want of memory
            one.front() = pool_.spawn([this](item&& i) { return call(std::move(i)); },
                                      item(**next_));
            put_in_line(one);
            used_ = true;
        }
    }

    result call(item&& i) {
        if constexpr (std::is_void_v<returned>) {
            std::invoke(f_, std::move(i));
            return {};
        } else {
            return std::invoke(f_, std::move(i));
        }
    }

    void put_in_line(fibers& one) {
        const auto at = one.begin();
        if constexpr (Order == map_order::as_given) {
            line_.add(one, at);
        } else {
            running_.splice(running_.end(), one);
            try {
                at->link([this, at] {
                    if (left_) return;
                    line_.add(running_, at);
                    arrived_.set();
                });
            } catch (...) {
                one.splice(one.end(), running_, at);
                end_all(one);
                throw;
            }
        }
    }

    bool at_end() {
        read_ahead();
        return under_way() == 0;
    }

    // REQUIRES  not at the end.
    void wait_in_line() {
        if (under_way() == 0) read_ahead();
        while (line_.empty()) {
            arrived_.clear();
            arrived_.wait();
        }
    }

    Pool& pool_;
    F f_;
    Items items_;
    std::optional<item_iterator> next_;
    bool used_ = false;  // a call has been given the item at next_
    bool left_ = false;
    fibers running_;  // not in line yet
    result_line<result> line_;
    flag arrived_;  // since it was last cleared, one more has got in line
};

template <class Pool, map_order Order, class Items, class F>
class pool_map<Pool, Order, Items, F>::iterator {
  public:
    using value_type = result;
    using difference_type = std::ptrdiff_t;
    using iterator_concept = std::input_iterator_tag;

    explicit iterator(pool_map& of) noexcept : of_(&of) {}

    result& operator*() const {
        of_->wait_in_line();
        return of_->line_.front();
    }

    iterator& operator++() {
        of_->wait_in_line();
        of_->line_.pop();
        return *this;
    }

    void operator++(int) { ++*this; }

    bool operator==(std::default_sentinel_t /*end*/) const { return of_->at_end(); }

  private:
    pool_map* of_;
};

}  // namespace tendril::detail
