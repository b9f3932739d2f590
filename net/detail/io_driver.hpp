// io_driver.hpp - a hub's driver that knows descriptors: Boost.Asio's reactor, seen
// from outside. Two implementations, chosen when tendril is built:
//
//   asio_reactor.cpp  goes below Asio's public interface: one edge-triggered
//                     registration for a descriptor's life, and an event costs no
//                     allocation, no handler and no epoll_ctl
//   asio_waits.cpp    uses async_wait and nothing else (TENDRIL_ASIO_PUBLIC_ONLY)
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <tendril/runtime/detail/intrusive_list.hpp>
#include <tendril/runtime/driver.hpp>

#include <cstddef>
#include <memory>
#include <mutex>

namespace tendril::detail {

// Who is told of a descriptor's events; in the driver's list while registered.
struct event_sink : list_hook {
    // An attempt in this direction may succeed now. `more_to_come_unseen`: the peer has
    // hung up or sent urgent data, so that a short read does not mean that all has been
    // read. Called on the hub's own stack; must not park.
    virtual void on_event(direction d, bool more_to_come_unseen) noexcept = 0;

    // The driver goes, and the registration with it. Called under io_driver::ends.
    virtual void on_driver_gone() noexcept = 0;

  protected:
    ~event_sink() = default;
};

// A descriptor's registration. Destroying it ends it; no event comes after that.
class watch {
  public:
    virtual ~watch() = default;

    // A read, or write, has met EAGAIN: the sink must be told when that changes. May
    // tell it for no reason. THROWS  std::system_error.
    virtual void expect(direction d) = 0;
};

class io_driver : public driver {
  public:
    // THROWS  std::system_error (EPERM for what epoll does not take: regular files).
    virtual std::unique_ptr<watch> open(int fd, event_sink& sink) = 0;

    // The fibers that wait for I/O, for driver::waiting().
    std::size_t parked = 0;

    bool waiting() const noexcept final { return parked > 0; }

    bool worth_polling() const noexcept final { return true; }

    // Held while any driver parts from its sinks: the one thing that happens to a
    // descriptor without its owner's doing.
    static std::mutex ends;

  protected:
    // To be called first thing in the destructor.
    void part_from_sinks() noexcept {
        const std::lock_guard held(ends);
        while (!sinks_.empty()) sinks_.front().on_driver_gone();
    }

    intrusive_list<event_sink> sinks_;
};

// THROWS  std::system_error when descriptors have run out.
std::unique_ptr<io_driver> make_io_driver(doorbell& bell);

// This thread's; put in the idle driver's place on first use.
// THROWS  as make_io_driver().
io_driver& current_io_driver();

}  // namespace tendril::detail
