// barrier.hpp - a number of fibers that go on together, again and again.
//
//     barrier round(3);
//     // in each of three fibers:
//     for (;;) { step(); round.arrive_and_wait(); }
//
// A fiber that is killed, or runs out of time, while it waits has not arrived: the
// others wait for one more. Who comes when a round is complete belongs to the next one.
// When a party fails, so that the others would wait for ever, it, or who looks after
// them, calls abort().
//
// Thread rule: any fiber of any thread. No allocation.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <tendril/runtime/clock.hpp>
#include <tendril/sync/wait_queue.hpp>

#include <chrono>
#include <cstddef>
#include <functional>
#include <mutex>
#include <optional>

namespace tendril {

class barrier {
  public:
    // `completion` is called at the end of each round by the fiber that arrived last,
    // before any of the others goes on; it may park. What it throws, that fiber throws,
    // and the others go on all the same.
    // THROWS  fiber_error (bad_argument) for no parties, or a number that was negative.
    explicit barrier(std::size_t parties, std::function<void()> completion = {});
    barrier(const barrier&) = delete;
    barrier& operator=(const barrier&) = delete;
    // REQUIRES  every wait has come back.
    ~barrier() = default;

    // Parks until all have arrived. Returns the caller's number in this round, by order
    // of arrival: 0 for the first. (Python's Barrier.wait().)
    // THROWS  what is thrown into the fiber; fiber_error: in_hub; broken, see below.
    std::size_t arrive_and_wait() { return *arrive_until(never); }

    // The same, but nothing when the time is over first: then it has not arrived.
    std::optional<std::size_t> arrive_until(time_point deadline);

    template <class Rep, class Period>
    std::optional<std::size_t> arrive_for(std::chrono::duration<Rep, Period> d) {
        return arrive_until(detail::from_now(d));
    }

    // One party fewer from here on. Does not park, unless that completes a round whose
    // completion parks.
    // THROWS  fiber_error (bad_argument) for the last one; what `completion` throws.
    void drop();

    // Ends the round: those who wait throw fiber_error (broken), and the next one
    // begins, of parties(). Does not park. Python's Barrier.reset().
    void reset() noexcept;

    // As reset(), but those who come throw, too, until there is a reset(). Those whose
    // round is complete go on. Python's Barrier.abort().
    void abort() noexcept;

    bool broken() const noexcept;

    std::size_t parties() const noexcept;

    // How many have arrived in this round.
    std::size_t waiting() const noexcept;

  private:
    struct arrived;

    [[noreturn]] static void fail_broken();
    void complete(std::unique_lock<wait_queue::lock>& held);
    void end_round(bool broken) noexcept;

    mutable wait_queue::lock lock_;
    wait_queue line_;
    std::size_t parties_;
    bool broken_ = false;
    std::function<void()> completion_;
};

}  // namespace tendril
