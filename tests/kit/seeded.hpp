// seeded.hpp - chance that can be had again: of all fibers that are ready, a random one
// is next, and what may go wrong does now and then; all of it follows from a number.
//
//     auto found = test::explore(1, 100'000, [] {
//         ...                              // throws if something is wrong
//     });
//     if (found.failed) std::puts(found.what.c_str());     // "seed 4711: ..."
//
// and then, with a debugger or with more output, only that one again:
//
//     test::seeded order(4711);
//
// or, without a change to the program, TENDRIL_SEED=4711 in the environment.
//
// A fiber that is ready may run at any time: programs that are right do not notice the
// order. So whatever fails under some seed is a bug in what is tested, or in its test.
// Callbacks keep their order among themselves. Faults (see faults_per_thousand) happen
// in builds with TENDRIL_FAULT_POINTS.
//
// The same seed makes the same choices as long as nothing from outside has a say: use
// virtual_time, one thread, and no I/O, or compare no hashes.
//
// Thread rule: the hub of the thread that makes it, until it is destroyed there.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <tendril/runtime/detail/choices.hpp>
#include <tendril/runtime/detail/fiber_core.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <numeric>
#include <optional>
#include <string>
#include <vector>

namespace tendril::test {

// How often each fault has happened.
class fault_counts {
  public:
    std::uint64_t operator[](detail::fault what) const noexcept {
        return counts_[static_cast<std::size_t>(what)];
    }

    std::uint64_t all() const noexcept {
        return std::accumulate(counts_.begin(), counts_.end(), std::uint64_t{0});
    }

    void count(detail::fault what) noexcept {
        ++counts_[static_cast<std::size_t>(what)];
    }

    fault_counts& operator+=(const fault_counts& more) noexcept {
        for (std::size_t i = 0; i < counts_.size(); ++i) counts_[i] += more.counts_[i];
        return *this;
    }

  private:
    std::array<std::uint64_t, detail::fault_kinds> counts_{};
};

class seeded final : detail::choices {
  public:
    // Of a thousand occasions for a fault, it happens in about as many.
    explicit seeded(std::uint64_t seed, unsigned faults_per_thousand = 50);
    seeded(const seeded&) = delete;
    seeded& operator=(const seeded&) = delete;
    ~seeded() override;

    std::uint64_t seed() const noexcept { return seed_; }

    // Of everything chosen so far: who ran, and what went wrong.
    std::uint64_t hash() const noexcept { return hash_; }

    const fault_counts& faults() const noexcept { return faults_; }

    // Faults were compiled into the library.
    static bool has_faults() noexcept;

  private:
    static constexpr std::uint64_t no_events = 14695981039346656037U;

    detail::runnable& next(detail::ready_queue& ready) override;
    bool happens(detail::fault what) override;
    std::size_t pick(std::size_t many) override;
    std::uint64_t random() noexcept;
    void note(std::uint64_t event) noexcept;

    const std::uint64_t seed_;
    const unsigned faults_per_thousand_;
    detail::choices* const before_;
    std::uint64_t state_;
    std::uint64_t hash_;
    std::uint64_t first_id_;
    fault_counts faults_;
    std::vector<detail::runnable*> candidates_;
};

struct exploration {
    std::uint64_t seeds = 0;              // that were tried
    std::optional<std::uint64_t> failed;  // the first that failed; then none is tried
    std::string what;                     // "seed 4711: ..."; empty if none failed
    fault_counts faults;                  // of all seeds together
};

// Calls scenario() under each seed from `first` on, in a fiber, in virtual time: at
// most `count`, or the one that TENDRIL_SEED names. It fails by an exception, by
// leaving fibers, timers, stacks or descriptors behind, or by not being over after an
// hour of its own time, or a million switches. If it bears ten kills then, its fiber is
// left as it is, until its thread ends.
exploration explore(std::uint64_t first,
                    std::uint64_t count,
                    const std::function<void()>& scenario);

}  // namespace tendril::test
