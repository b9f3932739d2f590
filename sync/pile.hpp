// pile.hpp - results of fibers, in the order in which those were spawned; eventlet's
// GreenPile.
//
//     pile<page> pages(10);                       // ten at a time
//     for (const url& u : urls) pages.spawn(fetch, u);
//     for (page& p : pages) index(p);
//
// An iteration ends when all that was spawned has been given out and nobody waits to
// spawn more; others may spawn meanwhile. A pile that nothing was spawned into is at
// its end at once. Several piles may share a pool.
//
// A pile may be destroyed before its fibers have ended: they run on.
//
// R: the result, movable. Thread rule: one thread (fiber_error: wrong_thread); one
// fiber at a time iterates.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <tendril/runtime/fiber.hpp>
#include <tendril/runtime/spawn.hpp>
#include <tendril/sync/detail/home_thread.hpp>
#include <tendril/sync/detail/result_line.hpp>
#include <tendril/sync/flag.hpp>
#include <tendril/sync/pool.hpp>

#include <concepts>
#include <cstddef>
#include <functional>
#include <iterator>
#include <memory>
#include <type_traits>
#include <utility>

namespace tendril {

template <class R>
class pile {
    static_assert(std::is_object_v<R>, "a pile is of values");
    using fibers = typename detail::result_line<R>::fibers;

  public:
    class iterator;

    // With a pool of its own.
    // THROWS  fiber_error (bad_argument) for a negative size.
    explicit pile(std::ptrdiff_t size = 1000)
        : own_(std::make_unique<pool>(size)), pool_(*own_) {}

    // REQUIRES  `shared` outlives the pile.
    explicit pile(pool& shared) : pool_(shared) {}

    pile(const pile&) = delete;
    pile& operator=(const pile&) = delete;
    // REQUIRES  every wait has come back.
    ~pile() = default;

    // As pool::spawn; the result is given out by the pile. If it throws, the pile is as
    // it was.
    template <class... Args, detail::spawnable<Args...> F>
    requires std::convertible_to<detail::spawn_result<F, Args...>, R>

    void spawn(F&& f, Args&&... args) {
        home_.require("a pile");
        const auto& callable = f;
        if (detail::is_null_callable(callable)) {
            detail::fail(errc::bad_argument, "a pile was given nothing to call");
        }
        const spawning here(*this);
        fibers one(1);  // first, so that no fiber is lost for want of memory
        one.front() = pool_.spawn(
            [](std::decay_t<F>&& call, std::decay_t<Args>&&... with) -> R {
                return std::invoke(std::move(call), std::move(with)...);
            },
            std::forward<F>(f), std::forward<Args>(args)...);
        line_.add(one, one.begin());
    }

    // What was spawned is given out once, over all iterations.
    iterator begin() noexcept { return iterator(*this); }

    static std::default_sentinel_t end() noexcept { return {}; }

  private:
    // Somebody is inside spawn().
    class spawning {
      public:
        explicit spawning(pile& into) noexcept : into_(into) { ++into_.spawning_; }

        spawning(const spawning&) = delete;
        spawning& operator=(const spawning&) = delete;

        ~spawning() {
            --into_.spawning_;
            into_.changed_.set();
        }

      private:
        pile& into_;
    };

    bool at_end() {
        home_.require("a pile");
        while (line_.empty() && spawning_ > 0) {
            changed_.clear();
            changed_.wait();
        }
        return line_.empty();
    }

    void require_first() {
        if (at_end())
            detail::fail(errc::unset, "a pile was asked for more than it has");
    }

    std::unique_ptr<pool> own_;
    pool& pool_;
    detail::home_thread home_;
    detail::result_line<R> line_;
    std::size_t spawning_ = 0;
    flag changed_;  // since it was last cleared, a spawn() is over
};

// Comparing with end() parks while nothing is there and somebody waits to spawn; `*`
// until the result is there, and it throws what came instead, in its place: the next is
// had by ++. What interrupts one of these loses nothing: do it again.
template <class R>
class pile<R>::iterator {
  public:
    using value_type = R;
    using difference_type = std::ptrdiff_t;
    using iterator_concept = std::input_iterator_tag;

    explicit iterator(pile& of) noexcept : of_(&of) {}

    // To be moved from at will.
    R& operator*() const {
        of_->require_first();
        return of_->line_.front();
    }

    // Parks only if the result passed over has not been waited for.
    iterator& operator++() {
        of_->require_first();
        of_->line_.pop();
        return *this;
    }

    void operator++(int) { ++*this; }

    bool operator==(std::default_sentinel_t /*end*/) const { return of_->at_end(); }

  private:
    pile* of_;
};

}  // namespace tendril
