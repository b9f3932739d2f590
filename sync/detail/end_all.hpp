// end_all.hpp - fibers of one thread that must not outlive what they use.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <tendril/runtime/cancel.hpp>
#include <tendril/runtime/fiber.hpp>

namespace tendril::detail {

// Kills them all, and waits until they have ended, whatever is thrown into the caller
// meanwhile: for destructors.
template <class Fibers>
void end_all(const Fibers& fibers) {
    const uninterrupted here;
    for (const any_fiber& f : fibers) f.kill();
    for (const any_fiber& f : fibers) f.join();
}

}  // namespace tendril::detail
