// hasty_time.hpp - no sleep takes any time, for what is given several seconds to end.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <tendril/runtime/clock.hpp>
#include <tendril/runtime/hub.hpp>

namespace tendril::test {

struct hasty final : detail::time_source {
    time_point now() noexcept override { return at; }

    bool jump(time_point deadline) noexcept override {
        at = deadline;
        return true;
    }

    void slept(duration) noexcept override {}

    time_point at = clock::now();
};

}  // namespace tendril::test
