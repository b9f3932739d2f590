// SPDX-License-Identifier: BSL-1.0
#include <tendril/net/address.hpp>

#include <charconv>
#include <cstring>
#include <system_error>

#include <arpa/inet.h>
#include <net/if.h>

namespace tendril::net {
namespace {

[[noreturn]] void fail_parse(std::string_view text, const char* why) {
    throw std::system_error(std::make_error_code(std::errc::invalid_argument),
                            "'" + std::string(text) + "' " + why);
}

constexpr const char* not_an_address = "is neither an IPv4 nor an IPv6 address";
constexpr const char* not_a_port = "has a port that is not from 0 to 65535";

sockaddr_in& as_v4(sockaddr_storage& s) {
    return reinterpret_cast<sockaddr_in&>(s);
}

sockaddr_in6& as_v6(sockaddr_storage& s) {
    return reinterpret_cast<sockaddr_in6&>(s);
}

const sockaddr_in& as_v4(const sockaddr_storage& s) {
    return reinterpret_cast<const sockaddr_in&>(s);
}

const sockaddr_in6& as_v6(const sockaddr_storage& s) {
    return reinterpret_cast<const sockaddr_in6&>(s);
}

// The part behind '%' of "fe80::1%eth0": the name or the number of an interface.
std::uint32_t scope_id(std::string_view text, const std::string& scope) {
    if (const unsigned index = if_nametoindex(scope.c_str())) return index;
    std::uint32_t number = 0;
    const char* const end = scope.data() + scope.size();
    const auto [stop, error] = std::from_chars(scope.data(), end, number);
    if (error != std::errc() || stop != end)
        fail_parse(text, "has an unknown interface");
    return number;
}

}  // namespace

address::address() noexcept {
    as_v4(storage_).sin_family = AF_INET;
}

address::address(std::string_view host, int port) {
    constexpr int highest_port = 65535;
    if (port < 0 || port > highest_port) {
        fail_parse(std::string(host) + ":" + std::to_string(port), not_a_port);
    }
    const std::uint16_t port_on_the_wire = htons(static_cast<std::uint16_t>(port));
    // A NUL inside would end the text early for inet_pton.
    if (host.find('\0') != std::string_view::npos) fail_parse(host, not_an_address);
    const std::string text(host.substr(0, host.find('%')));
    if (inet_pton(AF_INET, text.c_str(), &as_v4(storage_).sin_addr) == 1 &&
        text.size() == host.size()) {
        as_v4(storage_).sin_family = AF_INET;
        as_v4(storage_).sin_port = port_on_the_wire;
    } else if (inet_pton(AF_INET6, text.c_str(), &as_v6(storage_).sin6_addr) == 1) {
        as_v6(storage_).sin6_family = AF_INET6;
        as_v6(storage_).sin6_port = port_on_the_wire;
        if (text.size() < host.size()) {
            as_v6(storage_).sin6_scope_id =
                scope_id(host, std::string(host.substr(text.size() + 1)));
        }
    } else {
        fail_parse(host, not_an_address);
    }
}

address address::parse(std::string_view text) {
    const std::size_t colon = text.rfind(':');
    if (colon == std::string_view::npos || text.back() == ']') {
        fail_parse(text, "has no port");
    }
    std::string_view host = text.substr(0, colon);
    const std::string_view digits = text.substr(colon + 1);
    if (host.size() >= 2 && host.front() == '[' && host.back() == ']') {
        host = host.substr(1, host.size() - 2);
    } else if (host.find(':') != std::string_view::npos) {
        fail_parse(text, "needs brackets: [address]:port");
    }
    std::uint16_t port = 0;
    const char* const end = digits.data() + digits.size();
    const auto [stop, error] = std::from_chars(digits.data(), end, port);
    if (digits.empty() || error != std::errc() || stop != end) {
        fail_parse(text, "has a port that is not a number from 0 to 65535");
    }
    return address(host, port);
}

address address::from(const sockaddr_storage& storage) noexcept {
    address a;
    a.storage_ = storage;
    return a;
}

std::uint16_t address::port() const noexcept {
    return ntohs(family() == AF_INET ? as_v4(storage_).sin_port
                                     : as_v6(storage_).sin6_port);
}

std::string address::host() const {
    char text[INET6_ADDRSTRLEN] = {};
    if (family() == AF_INET) {
        inet_ntop(AF_INET, &as_v4(storage_).sin_addr, text, sizeof text);
        return text;
    }
    inet_ntop(AF_INET6, &as_v6(storage_).sin6_addr, text, sizeof text);
    std::string host = text;
    if (const std::uint32_t scope = as_v6(storage_).sin6_scope_id) {
        host += "%" + std::to_string(scope);
    }
    return host;
}

std::string address::to_string() const {
    const std::string number = std::to_string(port());
    return family() == AF_INET ? host() + ":" + number : "[" + host() + "]:" + number;
}

socklen_t address::size() const noexcept {
    return family() == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6);
}

bool operator==(const address& a, const address& b) noexcept {
    if (a.family() != b.family() || a.port() != b.port()) return false;
    if (a.family() == AF_INET) {
        return as_v4(a.storage_).sin_addr.s_addr == as_v4(b.storage_).sin_addr.s_addr;
    }
    const sockaddr_in6& x = as_v6(a.storage_);
    const sockaddr_in6& y = as_v6(b.storage_);
    return std::memcmp(&x.sin6_addr, &y.sin6_addr, sizeof x.sin6_addr) == 0 &&
           x.sin6_scope_id == y.sin6_scope_id;
}

}  // namespace tendril::net
