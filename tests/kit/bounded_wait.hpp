// bounded_wait.hpp - waits for a scenario that may never end, and ends it.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <tendril/runtime/fiber.hpp>

#include <string>

namespace tendril::test {

// Waits for `f`: for an hour of this hub's time, and for a million switches, since
// virtual time stands still as long as something can run. Empty if it has ended by
// then. If not, says so, and kills it; one that bears ten kills is named, and is left
// as it is: f.done() is false then.
std::string bounded_wait(const any_fiber& f);

}  // namespace tendril::test
