// histogram.hpp - latencies in buckets that are each at most 1.6 % wide: recording one
// is an increment, however many there are.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace bench {

class histogram {
  public:
    void add(std::uint64_t nanoseconds) {
        ++counts_[bucket_of(nanoseconds)];
        ++total_;
    }

    std::uint64_t total() const { return total_; }

    // The latency that `share` (0 to 1) of all stay within; 0 if there are none.
    std::uint64_t quantile(double share) const {
        const auto rank =
            static_cast<std::uint64_t>(share * static_cast<double>(total_));
        std::uint64_t seen = 0;
        for (std::size_t i = 0; i < counts_.size(); ++i) {
            seen += counts_[i];
            if (seen > rank) return largest_in(i);
        }
        return 0;
    }

  private:
    static constexpr unsigned bits = 6;  // buckets for each power of two: 1 << bits
    static constexpr std::size_t per_power = std::size_t{1} << bits;

    static std::size_t bucket_of(std::uint64_t v) {
        if (v < per_power) return v;
        const auto shift = static_cast<unsigned>(std::bit_width(v)) - bits - 1;
        return (shift + 1) * per_power + ((v >> shift) - per_power);
    }

    static std::uint64_t largest_in(std::size_t bucket) {
        if (bucket < per_power) return bucket;
        const std::size_t shift = bucket / per_power - 1;
        return ((bucket % per_power + per_power + 1) << shift) - 1;
    }

    std::array<std::uint64_t, (64 - bits + 1) * per_power> counts_{};
    std::uint64_t total_ = 0;
};

}  // namespace bench
