// blocking.hpp - how a non-blocking system call is made to look blocking.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <tendril/net/detail/descriptor.hpp>
#include <tendril/runtime/clock.hpp>
#include <tendril/runtime/hub.hpp>

#include <cerrno>
#include <cstddef>
#include <system_error>

#include <sys/types.h>

namespace tendril::detail {

// REQUIRES  `d` has been checked.
inline time_point deadline_in(duration d) {
    return d == forever ? never : after(hub::current().now(), d);
}

// Calls `attempt()`, a system call that returns a count or -1 with errno, until it does
// not meet EAGAIN or EINTR; parks in between, for `limit` in all. Tries first, unless
// the descriptor knows that to be in vain.
template <class Attempt>
std::size_t transfer_bytes(const descriptor::use& with,
                           duration limit,
                           std::error_code& ec,
                           Attempt attempt) {
    const bool at_once = limit == duration::zero();
    time_point deadline = never;
    bool parked = false;
    if (!with.take_turn(ec)) return 0;
    for (;;) {
        if (with.worth_trying() || at_once) {
            const ssize_t n = attempt();
            if (n >= 0) return static_cast<std::size_t>(n);
            if (errno == EINTR) continue;
            if ((errno != EAGAIN && errno != EWOULDBLOCK) || at_once) {
                ec = std::error_code(errno, std::system_category());
                return 0;
            }
            with.would_block();
        }
        if (!parked) deadline = deadline_in(limit);
        parked = true;
        if (!with.wait(deadline, ec)) return 0;
    }
}

}  // namespace tendril::detail
