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

// Calls `attempt(descriptor&)`, a system call that returns a count or -1 with errno,
// until it does not meet EAGAIN or EINTR; parks in between, for `limit` in all. Tries
// first, unless the descriptor knows that to be in vain.
template <class Attempt>
std::size_t transfer_bytes(const descriptor_owner& held,
                           direction way,
                           duration limit,
                           std::error_code& ec,
                           Attempt attempt) {
    ec.clear();
    time_point deadline = never;
    bool parked = false;
    const auto fail = [&](std::errc code) {
        ec = std::make_error_code(code);
        return std::size_t{0};
    };
    if (!held || held->closed()) return fail(std::errc::bad_file_descriptor);
    descriptor& d = *held;
    for (;;) {
        if (d.worth_trying(way) || limit == duration::zero()) {
            const ssize_t n = attempt(d);
            if (n >= 0) {
                if (!parked) count_speculation();
                return static_cast<std::size_t>(n);
            }
            if (errno == EINTR) continue;
            if (errno != EAGAIN && errno != EWOULDBLOCK) {
                ec = std::error_code(errno, std::system_category());
                return 0;
            }
            if (limit == duration::zero()) {
                return fail(std::errc::resource_unavailable_try_again);
            }
            d.would_block(way);
        }
        if (!parked) deadline = deadline_in(limit);
        parked = true;
        switch (d.wait(way, deadline)) {
            case descriptor::woken::ready:
                break;
            case descriptor::woken::closed:
                return fail(std::errc::bad_file_descriptor);
            case descriptor::woken::timed_out:
                return fail(std::errc::timed_out);
        }
    }
}

}  // namespace tendril::detail
