// resource_pool.hpp - things that are costly to make, used by one at a time and again;
// eventlet's pools.Pool, and what connection pools are made of.
//
//     resource_pool<connection> connections([] { return connect(host); }, {.max = 8});
//     {
//         auto c = connections.get();      // parks while all eight are in use
//         c->send(request);
//         if (c->broken()) c.discard();    // the next one is made anew
//     }                                    // put back
//
// A resource is made when one is wanted and none is idle, up to `max`. One that is put
// back, or the right to make one, goes straight to the first who waits.
//
// Resources that are idle for longer than `max_idle`, or were made longer than
// `max_age` ago, are destroyed: those idle when something is taken or put back next,
// those in use when they are put back. Nothing is watched in between. max_idle leaves
// `min` of them.
//
// T: movable or not; create() and T's destructor may park, and nothing is locked then.
// Thread rule: any fiber of any thread; create() may be called on several at once.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <tendril/runtime/clock.hpp>
#include <tendril/runtime/error.hpp>
#include <tendril/runtime/hub.hpp>
#include <tendril/sync/detail/checked_size.hpp>
#include <tendril/sync/detail/idle_line.hpp>
#include <tendril/sync/wait_queue.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

namespace tendril {

struct resource_pool_options {
    std::size_t min = 0;  // made at the beginning
    std::size_t max = 4;
    reuse order = reuse::last_in_first_out;
    duration max_idle = forever;
    duration max_age = forever;
};

template <class T>
class resource_pool {
    using entries = typename detail::idle_line<T>::entries;

  public:
    class lease;

    // Makes `min` of them.
    // THROWS  what `create` throws; fiber_error (bad_argument) if it is null, `min` is
    //         over `max`, or one of them or a duration is negative.
    explicit resource_pool(std::function<T()> create, resource_pool_options o = {})
        : create_(std::move(create)),
          min_(o.min),
          max_(o.max),
          idle_(o.order,
                detail::checked_duration(o.max_idle),
                detail::checked_duration(o.max_age)) {
        require_sense();
        for (; size_ < min_; ++size_) {
            entries one;
            one.emplace_back(create_);
            idle_.add(one, hub::current().now());
        }
    }

    resource_pool(const resource_pool&) = delete;
    resource_pool& operator=(const resource_pool&) = delete;
    // Destroys those that are idle.
    // REQUIRES  every lease is gone, every wait has come back.
    ~resource_pool() = default;

    // -- taking

    // One that is idle, a new one, or, when `max` are in use, the next that is put
    // back: parks until then.
    // THROWS  what is thrown into the fiber; what `create` throws (the next in line may
    //         try then); fiber_error (in_hub) where it would park.
    lease get() { return *get_until(never); }

    // The same, but nothing when the time is over before it is this fiber's turn. What
    // create() takes after that is not limited.
    std::optional<lease> get_until(time_point deadline) { return take(true, deadline); }

    template <class Rep, class Period>
    std::optional<lease> get_for(std::chrono::duration<Rep, Period> d) {
        return get_until(detail::from_now(d));
    }

    // One that is idle, or a new one; nothing if `max` are in use. Parks only if
    // create() does.
    std::optional<lease> try_get() { return take(false, never); }

    // -- size

    // A larger `max` lets those who wait make more. With a smaller one, idle ones are
    // destroyed, and then those that are put back, until it fits.
    // THROWS  fiber_error (bad_argument) for a negative one.
    void resize(std::size_t max) {
        detail::checked_size(max, "the size of a resource_pool");
        entries gone;
        {
            wait_queue::taken woken;
            const std::lock_guard held(lock_);
            max_ = max;
            for (; size_ < max && !line_.empty(); ++size_) {
                woken.add(line_.take_first());
            }
            for (; size_ - dying_ > max && idle_.size() > 0; ++dying_) {
                idle_.take_first(gone);
            }
        }
        destroy(gone);
    }

    std::size_t max_size() const noexcept {
        return locked([&] { return max_; });
    }

    // Resources that there are: idle, in use, and those being made or destroyed.
    std::size_t size() const noexcept {
        return locked([&] { return size_; });
    }

    // How many could be had without a wait; negative while there are more than `max`.
    std::ptrdiff_t free() const noexcept {
        return locked([&] {
            return static_cast<std::ptrdiff_t>(idle_.size() + max_) -
                   static_cast<std::ptrdiff_t>(size_);
        });
    }

    // Fibers that are parked in a get.
    std::size_t waiting() const noexcept {
        return locked([&] { return line_.size(); });
    }

  private:
    // Woken with an entry, or without: then with the right to make one.
    struct getting final : wait_queue::place {
        getting() : place("resource_pool::get", true) {}

        entries given;
    };

    void require_sense() const {
        if (!create_) {
            detail::fail(errc::bad_argument, "a resource_pool was given no create");
        }
        detail::checked_size(max_, "the size of a resource_pool");
        if (min_ > max_) {
            detail::fail(errc::bad_argument,
                         "a resource_pool of at least " + std::to_string(min_) +
                             " cannot have at most " + std::to_string(max_));
        }
    }

    template <class F>
    auto locked(F f) const noexcept {
        const std::lock_guard held(lock_);
        return f();
    }

    std::optional<lease> take(bool may_wait, time_point deadline) {
        entries got;
        for (;;) {
            entries gone;
            auto held = wait_queue::hold_to_wait(lock_);
            if (find(gone, got)) {
                held.unlock();
                destroy(gone);
                break;
            }
            if (gone.empty()) {
                if (!may_wait) return std::nullopt;
                getting here;
                if (!line_.wait(held, here, deadline)) return std::nullopt;
                got = std::move(here.given);
                break;
            }
            held.unlock();
            destroy(gone);
        }
        if (got.empty()) make(got);
        return lease(*this, std::move(got));
    }

    // An idle one, or else the right to make one. Those that are past their time are
    // moved to `gone`.
    // REQUIRES  the lock is held.
    bool find(entries& gone, entries& got) noexcept {
        const time_point now = hub::current().now();
        idle_.retire(now, more_than_min(), gone);
        idle_.take(now, gone, got);
        dying_ += gone.size();
        if (!got.empty()) return true;
        if (size_ - gone.size() >= max_) return false;
        ++size_;
        return true;
    }

    // How many may go for want of use.
    std::size_t more_than_min() const noexcept {
        const std::size_t staying = size_ - dying_;
        return staying - std::min(staying, min_);
    }

    void make(entries& got) {
        try {
            got.emplace_back(create_);
        } catch (...) {
            give_right_back(false);
            throw;
        }
    }

    // A resource is gone, or was not made: the first in line may make one.
    void give_right_back(bool was_dying) noexcept {
        wait_queue::taken_one woken;
        const std::lock_guard held(lock_);
        if (was_dying) --dying_;
        if (size_ <= max_ && !line_.empty()) {
            woken.set(line_.take_first());
        } else {
            --size_;
        }
    }

    // One by one, and each is gone before another may be made in its place.
    void destroy(entries& gone) noexcept {
        while (!gone.empty()) {
            gone.pop_front();
            give_right_back(true);
        }
    }

    void discard(entries& one) noexcept {
        {
            const std::lock_guard held(lock_);
            dying_ += one.size();
        }
        destroy(one);
    }

    void put_back(entries& one) noexcept {
        entries gone;
        {
            wait_queue::taken_one woken;
            const time_point now = hub::current().now();
            const std::lock_guard held(lock_);
            idle_.retire(now, more_than_min(), gone);
            dying_ += gone.size();
            if (size_ - dying_ > max_ || idle_.is_too_old(one.front(), now)) {
                gone.splice(gone.end(), one);
                ++dying_;
            } else if (!line_.empty()) {
                auto& next = static_cast<getting&>(line_.take_first());
                next.given.splice(next.given.end(), one);
                woken.set(next);
            } else {
                idle_.add(one, now);
            }
        }
        destroy(gone);
    }

    const std::function<T()> create_;
    const std::size_t min_;
    std::size_t max_;
    mutable wait_queue::lock lock_;
    wait_queue line_;
    detail::idle_line<T> idle_;
    std::size_t size_ = 0;   // idle, in use, being made, being destroyed
    std::size_t dying_ = 0;  // the last of these
};

// A resource in use, put back when this goes.
template <class T>
class resource_pool<T>::lease {
  public:
    lease(lease&& other) noexcept = default;

    lease& operator=(lease other) noexcept {
        std::swap(pool_, other.pool_);
        held_.swap(other.held_);
        return *this;
    }

    ~lease() {
        if (!held_.empty()) pool_->put_back(held_);
    }

    // False once it has been moved from or discarded.
    explicit operator bool() const noexcept { return !held_.empty(); }

    // REQUIRES  it is true.
    T& operator*() const noexcept { return held_.front().resource; }

    T* operator->() const noexcept { return &held_.front().resource; }

    // Destroys the resource instead of putting it back. Nothing if there is none.
    void discard() noexcept { pool_->discard(held_); }

  private:
    friend class resource_pool;

    lease(resource_pool& from, entries held) noexcept
        : pool_(&from), held_(std::move(held)) {}

    resource_pool* pool_;
    mutable entries held_;
};

}  // namespace tendril
