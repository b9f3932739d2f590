// cancel_everywhere.hpp - a piece of work, ended from outside at every moment at which
// that can be; and the memory, taken from it at every allocation.
//
//     const auto done = test::cancel_everywhere([] {
//         tendril::mutex m;
//         auto other = spawn([&] { const std::lock_guard held(m); yield(); });
//         { const std::lock_guard held(m); sleep(1s); }
//         other.join();
//     });
//     for (const std::string& p : done.problems) std::puts(p.c_str());
//     // "killed at moment 3: left behind: 1 fiber"
//
// f() runs again and again, each time in a fiber of its own and in virtual time, and in
// the k-th run something happens at the k-th moment, until a run is over untouched.
// Moments are the switches between other stacks while the fiber is away: so it is met
// at every place where it parks, and also where it has been woken, or given something,
// but has not run yet. Then the same with the next thing that may happen:
//
//     a kill; a timeout; a cancelled scope; a std::bad_alloc from its k-th operator
//     new; and one from each operator new from the k-th on
//
// After each run nothing may be left: fibers, stacks, timers, descriptors, locked
// mutexes (see leak_check.hpp), nor memory from operator new. f() may let pass what was
// thrown at it, or bear it and return; any other exception is a problem, and so is a
// run that is not over after an hour of its own time, or a million switches. One that
// bears ten kills then is the last: its fiber is left as it is, until its thread ends.
//
// Fibers that f() spawns have to be ended by it, also when it is ended itself.
//
// Linking this replaces operator new, by one that calls malloc and counts (not in
// builds with sanitizers, which have their own; then no allocation fails).
//
// Thread rule: f() on the calling thread, in a fiber.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

namespace tendril::test {

struct cancelled_everywhere {
    // In how many runs each of them happened.
    std::size_t kills = 0;
    std::size_t timeouts = 0;
    std::size_t cancels = 0;
    std::size_t failed_allocations = 0;
    std::vector<std::string> problems;  // at most one a run
};

cancelled_everywhere cancel_everywhere(const std::function<void()>& f);

}  // namespace tendril::test
