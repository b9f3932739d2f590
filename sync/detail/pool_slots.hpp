// pool_slots.hpp - the slots of a pool, which its members hold: they may outlive it.
//
// First come, first served. There may be more taken than there are, after a resize() or
// a take_or_exceed(): then those that come back go to nobody, until it fits again.
//
// Thread rule: take() and wait_until_unused() in a fiber, of any thread; the rest
// anywhere.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <tendril/sync/wait_queue.hpp>

#include <cstddef>
#include <memory>
#include <utility>

namespace tendril::detail {

class pool_slots {
  public:
    // THROWS  fiber_error (bad_argument) for a negative size.
    explicit pool_slots(std::ptrdiff_t size);

    // Parks until there is one.
    // THROWS  what is thrown into the fiber (none is taken then); fiber_error (in_hub).
    void take();

    // One of them, or, if none is free, one more than there are: then false.
    bool take_or_exceed() noexcept;

    void give_back() noexcept;

    void wait_until_unused();

    void resize(std::ptrdiff_t size);

    std::ptrdiff_t size() const noexcept;
    std::ptrdiff_t taken() const noexcept;
    std::ptrdiff_t free() const noexcept;
    std::size_t waiting() const noexcept;

  private:
    mutable wait_queue::lock lock_;
    wait_queue line_;
    wait_queue until_unused_;
    std::ptrdiff_t size_;
    std::ptrdiff_t taken_ = 0;
};

// A slot that has been taken, and goes back with its owner.
class pool_slot {
  public:
    explicit pool_slot(std::shared_ptr<pool_slots> of) noexcept : of_(std::move(of)) {}

    pool_slot(pool_slot&&) noexcept = default;
    pool_slot& operator=(pool_slot&&) = delete;

    ~pool_slot() {
        if (of_) of_->give_back();
    }

  private:
    std::shared_ptr<pool_slots> of_;
};

// What a member's fiber calls. It is destroyed whichever way that ends, and if it never
// starts; the slot goes back last.
template <class Call>
struct pool_member {
    pool_slot slot;
    Call call;

    decltype(auto) operator()() { return call(); }
};

}  // namespace tendril::detail
