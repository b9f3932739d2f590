// shield.hpp - work that whoever waits for it cannot end: asyncio.shield.
//
//     fiber<page> f = spawn(fetch, url);
//     page p = wait_for(shield(f), 5s);      // when that is over, f goes on
//
// wait() on a fiber never ends it; gather(), wait_for() and race() do. shield() gives
// them a fiber of its own to end, which waits for `f` and has its result, or its
// exception, a kill too. (Of cancel.hpp, shield(d, f) is for code that must not be
// ended itself.)
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <tendril/sync/detail/work.hpp>

#include <utility>

namespace tendril {

// A result that cannot be copied goes to the shield.
// THROWS  as spawn(); fiber_error (dead) for an empty handle. Does not park.
template <detail::work Work>
fiber<detail::result_of<Work>> shield(Work f) {
    static_cast<void>(f.done());  // an empty one throws
    return spawn([f = std::move(f)]() mutable -> detail::result_of<Work> {
        return std::move(f).wait();
    });
}

}  // namespace tendril
