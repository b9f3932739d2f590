// blocking.hpp - how a non-blocking system call is made to look blocking.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <tendril/net/detail/descriptor.hpp>
#include <tendril/runtime/clock.hpp>
#include <tendril/runtime/detail/choices.hpp>
#include <tendril/runtime/hub.hpp>

#include <cerrno>
#include <cstddef>
#include <system_error>
#include <utility>

#include <sys/types.h>

namespace tendril::detail {

// REQUIRES  `d` has been checked.
inline time_point deadline_in(duration d) {
    return d == forever ? never : after(hub::current().now(), d);
}

// The time limit of one call, which runs from its first wait on: calls that succeed at
// once need not ask what time it is.
class patience {
  public:
    explicit patience(duration limit) noexcept : limit_(limit) {}

    // As descriptor::use::wait().
    bool wait(const descriptor::use& with, std::error_code& ec) {
        if (!std::exchange(begun_, true)) deadline_ = deadline_in(limit_);
        return with.wait(deadline_, ec);
    }

  private:
    duration limit_;
    time_point deadline_ = never;
    bool begun_ = false;
};

template <class Attempt>
ssize_t until_not_interrupted(Attempt attempt) {
    for (;;) {
        if (TENDRIL_FAULT(interrupted)) continue;
        const ssize_t n = attempt();
        if (n >= 0 || errno != EINTR) return n;
    }
}

inline bool would_block(int error) noexcept {
    return error == EAGAIN || error == EWOULDBLOCK;
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
    patience left(limit);
    if (!with.take_turn(ec)) return 0;
    for (;;) {
        if (with.worth_trying() || at_once) {
            const ssize_t n = until_not_interrupted(attempt);
            if (n >= 0) return static_cast<std::size_t>(n);
            if (!would_block(errno) || at_once) {
                ec = std::error_code(errno, std::system_category());
                return 0;
            }
            with.would_block();
        }
        if (!left.wait(with, ec)) return 0;
    }
}

}  // namespace tendril::detail
