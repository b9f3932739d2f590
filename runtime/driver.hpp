// driver.hpp - what a hub needs from outside: to sleep until something happens.
//
// runtime never names a socket. A hub starts with the idle driver, which can only sleep
// and be woken; the first use of net on a thread puts the Asio driver in its place.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <tendril/runtime/clock.hpp>

#include <memory>

namespace tendril::detail {

class doorbell;

// Of a descriptor's readiness.
enum class direction { read, write };

// Used by its hub's thread only.
class driver {
  public:
    virtual ~driver() = default;

    // Makes ready the fibers whose I/O has come; does not block.
    virtual void poll() = 0;

    // The same, but blocks until there is something, the hub's doorbell rings, or
    // `deadline` in real time (`never`: no limit). May return early for no reason.
    virtual void wait(time_point deadline) = 0;

    // From now on wait() also ends when `epoll`, the hub's own, is readable. Once at
    // most. THROWS  std::system_error.
    virtual void listen_to(int epoll) = 0;

    // Whether any fiber waits for I/O, so that the virtual clock must not jump.
    virtual bool waiting() const noexcept = 0;

    // Whether poll() can ever find anything.
    virtual bool worth_polling() const noexcept = 0;
};

std::unique_ptr<driver> make_idle_driver(doorbell& bell);

}  // namespace tendril::detail
