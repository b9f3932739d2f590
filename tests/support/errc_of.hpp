// errc_of.hpp - which fiber_error a call throws; nothing if it returns.
//
//     CHECK(errc_of([&] { g.switch_to(); }) == errc::parked);
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <tendril/runtime/error.hpp>

#include <functional>
#include <optional>
#include <utility>

namespace tendril::test {

template <class F>
std::optional<errc> errc_of(F&& call) {
    try {
        std::invoke(std::forward<F>(call));
    } catch (const fiber_error& e) {
        return e.code();
    }
    return std::nullopt;
}

}  // namespace tendril::test
