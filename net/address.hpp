// address.hpp - an IPv4 or IPv6 address with a port.
//
//     address("127.0.0.1", 8080)      address("::1", 0)      address::parse("[::1]:80")
//
// Numbers only; names are looked up elsewhere.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <netinet/in.h>
#include <sys/socket.h>

namespace tendril::net {

class address {
  public:
    // 0.0.0.0:0
    address() noexcept;

    // THROWS  std::system_error (invalid_argument) if `host` is neither an IPv4 nor an
    //         IPv6 address ("fe80::1%eth0" is one), or `port` not from 0 to 65535; the
    //         message quotes it.
    address(std::string_view host, int port);

    // "127.0.0.1:80", "[::1]:80". THROWS  as above, also for a port that is not one.
    static address parse(std::string_view text);

    // REQUIRES  an AF_INET or AF_INET6 address.
    static address from(const sockaddr_storage& storage) noexcept;

    // AF_INET or AF_INET6.
    int family() const noexcept { return storage_.ss_family; }

    std::uint16_t port() const noexcept;

    // "127.0.0.1", "::1"
    std::string host() const;

    // "127.0.0.1:80", "[::1]:80"
    std::string to_string() const;

    const sockaddr* data() const noexcept {
        return reinterpret_cast<const sockaddr*>(&storage_);
    }

    socklen_t size() const noexcept;

    friend bool operator==(const address& a, const address& b) noexcept;

  private:
    sockaddr_storage storage_{};
};

}  // namespace tendril::net
