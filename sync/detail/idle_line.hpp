// idle_line.hpp - the idle resources of a resource_pool, in the order in which they
// were put back, and which of them are past their time.
//
// What is taken out is moved from list to list, so that nothing is made, destroyed or
// allocated: it may be done under a spin lock.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <tendril/runtime/clock.hpp>
#include <tendril/runtime/hub.hpp>

#include <cstddef>
#include <functional>
#include <iterator>
#include <list>

namespace tendril {

// Which of the idle ones is given out: the one put back last, so that those that are
// not needed grow old, or the one put back first, so that all are used alike.
enum class reuse { last_in_first_out, first_in_first_out };

namespace detail {

template <class T>
struct pooled {
    explicit pooled(const std::function<T()>& create)
        : resource(create()), made(hub::current().now()), idle_since(made) {}

    T resource;
    time_point made;
    time_point idle_since;
};

template <class T>
class idle_line {
  public:
    // One resource or none travels as a list, too.
    using entries = std::list<pooled<T>>;

    idle_line(reuse order, duration max_idle, duration max_age) noexcept
        : order_(order), max_idle_(max_idle), max_age_(max_age) {}

    std::size_t size() const noexcept { return line_.size(); }

    bool is_too_old(const pooled<T>& p, time_point now) const noexcept {
        return after(p.made, max_age_) < now;
    }

    void add(entries& one, time_point now) noexcept {
        one.front().idle_since = now;
        line_.splice(line_.end(), one);
    }

    // Moves those that have been idle for too long to `gone`, but no more than `most`.
    void retire(time_point now, std::size_t most, entries& gone) noexcept {
        for (; most > 0 && !line_.empty(); --most) {
            if (after(line_.front().idle_since, max_idle_) >= now) return;
            gone.splice(gone.end(), line_, line_.begin());
        }
    }

    // Moves the next in order to `got`, and those before it that are too old to `gone`.
    void take(time_point now, entries& gone, entries& got) noexcept {
        while (got.empty() && !line_.empty()) {
            const auto next = order_ == reuse::first_in_first_out
                                  ? line_.begin()
                                  : std::prev(line_.end());
            entries& to = is_too_old(*next, now) ? gone : got;
            to.splice(to.end(), line_, next);
        }
    }

    // Moves the one that was put back first to `gone`.
    // REQUIRES  there is one.
    void take_first(entries& gone) noexcept {
        gone.splice(gone.end(), line_, line_.begin());
    }

  private:
    const reuse order_;
    const duration max_idle_;
    const duration max_age_;
    entries line_;
};

}  // namespace detail
}  // namespace tendril
