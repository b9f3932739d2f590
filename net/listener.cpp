// SPDX-License-Identifier: BSL-1.0
#include <tendril/net/detail/blocking.hpp>
#include <tendril/net/listener.hpp>

#include <algorithm>
#include <cerrno>
#include <string>

#include <netinet/tcp.h>
#include <sys/socket.h>

namespace tendril::net {
namespace {

using tendril::detail::descriptor;
using tendril::detail::descriptor_owner;
using tendril::detail::direction;

constexpr duration first_backoff = std::chrono::milliseconds(10);
constexpr duration longest_backoff = std::chrono::seconds(1);

enum class outcome { connection, none_yet, out_of_resources, failed };

// What accept(2) asks to be treated as "try again": the new connection, and not the
// listener, has an error.
bool of_the_connection(int error) noexcept {
    switch (error) {
        case EINTR:
        case ECONNABORTED:
        case EPROTO:
        case ENETDOWN:
        case ENOPROTOOPT:
        case EHOSTDOWN:
        case ENONET:
        case EHOSTUNREACH:
        case EOPNOTSUPP:
        case ENETUNREACH:
            return true;
        default:
            return false;
    }
}

outcome try_accept(int listening, int& fd) noexcept {
    do {
        fd = ::accept4(listening, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    } while (fd < 0 && of_the_connection(errno));
    if (fd >= 0) return outcome::connection;
    switch (errno) {
        case EAGAIN:
            return outcome::none_yet;
        case EMFILE:
        case ENFILE:
        case ENOBUFS:
        case ENOMEM:
            return outcome::out_of_resources;
        default:
            return outcome::failed;
    }
}

// The system has run out of something: tries again in `pause`, and later the next time.
// False, and why, if the listener is closed or the time is over first.
bool back_off(const descriptor::use& accepting,
              duration& pause,
              time_point deadline,
              std::error_code& ec) {
    const time_point again = tendril::detail::deadline_in(pause);
    if (!accepting.pause(std::min(again, deadline), ec)) return false;
    if (deadline <= again) {
        ec = std::make_error_code(std::errc::timed_out);
        return false;
    }
    pause = std::min(2 * pause, longest_backoff);
    return true;
}

}  // namespace

socket listener::accept(std::error_code& ec) {
    ec.clear();
    if (!is_open()) {
        ec = std::make_error_code(std::errc::bad_file_descriptor);
        return {};
    }
    // While it parks this object may move or go; the use, and what it keeps, stay.
    const descriptor::use accepting(*descriptor_, direction::read);
    const bool at_once = timeout_ == duration::zero();
    const time_point deadline = tendril::detail::deadline_in(timeout_);
    duration backoff = first_backoff;
    if (!accepting.take_turn(ec)) return {};
    for (;;) {
        int fd = -1;
        const outcome o = try_accept(accepting.fd(), fd);
        if (o == outcome::connection) {
            socket made{descriptor_owner::of_new(fd)};
            made.set_no_delay(true);
            return made;
        }
        if (o == outcome::failed || at_once) {
            ec = std::error_code(errno, std::system_category());
            return {};
        }
        if (o == outcome::none_yet) {
            if (!accepting.wait(deadline, ec)) return {};
            continue;
        }
        if (!back_off(accepting, backoff, deadline, ec)) return {};
    }
}

socket listener::accept() {
    std::error_code ec;
    socket made = accept(ec);
    if (ec) throw std::system_error(ec, "accept");
    return made;
}

void listener::close() {
    if (descriptor_) descriptor_->close();
}

address listener::local_address() const {
    sockaddr_storage storage{};
    socklen_t size = sizeof storage;
    if (getsockname(native_handle(), reinterpret_cast<sockaddr*>(&storage), &size) <
        0) {
        throw std::system_error(errno, std::system_category(), "getsockname");
    }
    return address::from(storage);
}

listener listen(const address& on, const listen_options& o) {
    const auto check = [&](int result, const char* call) {
        if (result >= 0) return;
        throw std::system_error(errno, std::system_category(),
                                std::string(call) + " " + on.to_string());
    };
    const int fd =
        ::socket(on.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
    check(fd, "socket for");
    listener made{descriptor_owner::of_new(fd)};
    const auto set = [&](int level, int name, bool value) {
        const int number = value ? 1 : 0;
        check(setsockopt(fd, level, name, &number, sizeof number), "setsockopt for");
    };
    set(SOL_SOCKET, SO_REUSEADDR, o.reuse_address);
    set(SOL_SOCKET, SO_REUSEPORT, o.reuse_port);
    if (on.family() == AF_INET6) set(IPPROTO_IPV6, IPV6_V6ONLY, o.v6_only);
    check(::bind(fd, on.data(), on.size()), "bind to");
    check(::listen(fd, o.backlog), "listen on");
    return made;
}

}  // namespace tendril::net
