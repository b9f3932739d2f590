// choices.hpp - what a hub leaves to chance when a test asks for it: which ready fiber
// is next, and which of the things that may go wrong do.
//
//     if (TENDRIL_FAULT(short_read)) most = 1;
//
// Each fault is something that a correct program bears: systems do it, only seldom.
// Compiled in with TENDRIL_FAULT_POINTS (CMake's option of that name; on by itself in
// Debug builds of tendril alone only); without it TENDRIL_FAULT is false, and costs
// nothing. The source of choices is a test's: see <tendril/test/seeded.hpp>.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <atomic>
#include <cstddef>

namespace tendril::detail {

class ready_queue;
struct runnable;

enum class fault {
    spurious_wake,  // a wait for I/O ends for no reason
    idle_wake,      // so does the hub's own, while nothing can run
    short_read,     // one byte, however many are there
    short_write,    // one byte, however many could go
    interrupted,    // a system call fails with EINTR
    delay,          // letters and timers that are due wait for the next turn
};

inline constexpr std::size_t fault_kinds = 6;

// Used on its hub's thread only.
class choices {
  public:
    virtual ~choices() = default;

    // Takes one out of the queue, which is not empty.
    virtual runnable& next(ready_queue& ready) = 0;

    virtual bool happens(fault what) = 0;

    // A number below `many`, which is not zero: which of several that are as good.
    virtual std::size_t pick(std::size_t many) = 0;
};

#if defined(TENDRIL_FAULT_POINTS)
constexpr bool fault_points = true;
#define TENDRIL_FAULT(what) \
    (::tendril::detail::fault_happens(::tendril::detail::fault::what))
#else
constexpr bool fault_points = false;
#define TENDRIL_FAULT(what) false
#endif

// By this thread's choices; false if it has none.
bool fault_happens(fault what);

// Mutexes that fibers hold, in all threads. Counted with TENDRIL_FAULT_POINTS only.
inline std::atomic<long> mutexes_held{0};

}  // namespace tendril::detail
