// listener.hpp - a TCP port that takes connections.
//
//     net::listener server = net::listen("127.0.0.1", 6000);
//     for (;;) spawn(serve_client, server.accept());
//
// Errors, threads and second waiters: as for socket.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <tendril/net/address.hpp>
#include <tendril/net/detail/descriptor.hpp>
#include <tendril/net/socket.hpp>
#include <tendril/runtime/clock.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <system_error>
#include <utility>

namespace tendril::net {

struct listen_options {
    int backlog = 1024;         // connections that wait to be accepted; see listen(2)
    bool reuse_address = true;  // SO_REUSEADDR
    bool reuse_port = false;    // SO_REUSEPORT: several listeners share one port
    bool v6_only = false;       // IPv6: do not take IPv4 connections too
};

class listener {
  public:
    // Closed.
    listener() noexcept = default;

    // Move only. Destroying it closes the port.
    listener(listener&&) noexcept = default;
    listener& operator=(listener&&) noexcept = default;
    listener(const listener&) = delete;
    listener& operator=(const listener&) = delete;
    ~listener() = default;

    bool is_open() const noexcept { return descriptor_ && !descriptor_->closed(); }

    // The next connection; parks until there is one. No delay (TCP_NODELAY) is set on
    // it.
    //
    // Connections that fail before they are accepted are passed over. When the process
    // or the system has run out of descriptors or memory (EMFILE, ENFILE, ENOBUFS,
    // ENOMEM), it is tried again after 10 ms, 20 ms, and so on up to a second, so that
    // the connections that are open can be served meanwhile; backoffs() counts these.
    //
    // THROWS  std::system_error: timed_out; bad_file_descriptor when the listener is
    //         closed, also by another fiber meanwhile; what accept4(2) says otherwise.
    //         What is thrown into the fiber; no connection is lost then.
    socket accept();
    socket accept(std::error_code& ec);

    // How long one accept() may park; `forever` at first. Zero: not at all.
    // THROWS  fiber_error (bad_argument) for a negative, infinite or NaN duration.
    template <class Rep, class Period>
    void set_accept_timeout(std::chrono::duration<Rep, Period> d) {
        timeout_ = tendril::detail::checked_duration(d);
    }

    // How often accept() has had to wait for descriptors or memory.
    std::size_t backoffs() const noexcept {
        return descriptor_ ? descriptor_->pauses() : 0;
    }

    // Closes the port, and wakes the fiber in accept(). Closed twice is fine.
    void close();

    // Tells the port that the system chose for port 0.
    address local_address() const;

    int native_handle() const noexcept { return descriptor_ ? descriptor_->fd() : -1; }

  private:
    friend listener listen(const address&, const listen_options&);

    explicit listener(tendril::detail::descriptor_owner&& d) noexcept
        : descriptor_(std::move(d)) {}

    tendril::detail::descriptor_owner descriptor_;
    duration timeout_ = forever;
};

// Opens a port; port 0 lets the system choose a free one. Does not park.
// THROWS  std::system_error with the address in its text: address_in_use and so on;
//         invalid_argument for a host that does not parse.
listener listen(const address& on, const listen_options& o = {});

inline listener listen(std::string_view host, int port, const listen_options& o = {}) {
    return listen(address(host, port), o);
}

}  // namespace tendril::net
