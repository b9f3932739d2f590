// SPDX-License-Identifier: BSL-1.0
#include <tendril/net/detail/blocking.hpp>
#include <tendril/net/socket.hpp>
#include <tendril/runtime/hub.hpp>

#include <cerrno>

#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

namespace tendril::net {
namespace {

using tendril::detail::descriptor;
using tendril::detail::descriptor_owner;
using tendril::detail::direction;

std::error_code last_error() {
    return {errno, std::system_category()};
}

[[noreturn]] void fail(std::error_code ec, const char* call) {
    throw std::system_error(ec, call);
}

// Runs `f(error_code&)` and throws the error, if there is one.
template <class F>
auto or_throw(const char* call, F f) {
    std::error_code ec;
    const auto result = f(ec);
    if (ec) fail(ec, call);
    return result;
}

void set_flags(int fd) {
    const int status = fcntl(fd, F_GETFL);
    if (status < 0 || fcntl(fd, F_SETFL, status | O_NONBLOCK) < 0 ||
        fcntl(fd, F_SETFD, FD_CLOEXEC) < 0) {
        fail(last_error(), "fcntl");
    }
}

template <class GetName>
address name_of(int fd, const char* call, GetName get_name) {
    sockaddr_storage storage{};
    socklen_t size = sizeof storage;
    if (get_name(fd, reinterpret_cast<sockaddr*>(&storage), &size) < 0) {
        fail(last_error(), call);
    }
    return address::from(storage);
}

}  // namespace

socket::socket(int fd) {
    set_flags(fd);
    descriptor_ = descriptor_owner(fd);
}

std::size_t socket::recv(std::span<std::byte> buffer, std::error_code& ec) {
    if (buffer.empty()) {
        ec.clear();
        return 0;
    }
    return tendril::detail::transfer_bytes(
        descriptor_, direction::read, read_timeout_, ec, [&](descriptor& d) {
            const ssize_t n = ::recv(d.fd(), buffer.data(), buffer.size(), 0);
            // The next attempt would meet EAGAIN: remembered, and not made. The end of
            // the stream stays where it is, and can be read again.
            if (n > 0 && static_cast<std::size_t>(n) < buffer.size()) d.short_read();
            return n;
        });
}

std::size_t socket::recv(std::span<std::byte> buffer) {
    return or_throw("recv", [&](std::error_code& ec) { return recv(buffer, ec); });
}

std::string socket::recv(std::size_t most) {
    std::string text(most, '\0');
    text.resize(recv(std::span<char>(text)));
    return text;
}

std::size_t socket::send(std::span<const std::byte> data, std::error_code& ec) {
    return tendril::detail::transfer_bytes(
        descriptor_, direction::write, write_timeout_, ec, [&](descriptor& d) {
            return ::send(d.fd(), data.data(), data.size(), MSG_NOSIGNAL);
        });
}

std::size_t socket::send(std::span<const std::byte> data) {
    return or_throw("send", [&](std::error_code& ec) { return send(data, ec); });
}

std::size_t socket::send_all(std::span<const std::byte> data, std::error_code& ec) {
    std::size_t sent = 0;
    do {
        sent += send(data.subspan(sent), ec);
    } while (!ec && sent < data.size());
    return sent;
}

void socket::send_all(std::span<const std::byte> data) {
    or_throw("send", [&](std::error_code& ec) { return send_all(data, ec); });
}

void socket::shutdown(shutdown_mode how, std::error_code& ec) {
    const int mode = how == shutdown_mode::read    ? SHUT_RD
                     : how == shutdown_mode::write ? SHUT_WR
                                                   : SHUT_RDWR;
    ec.clear();
    if (::shutdown(native_handle(), mode) < 0 && errno != ENOTCONN) ec = last_error();
}

void socket::shutdown(shutdown_mode how) {
    std::error_code ec;
    shutdown(how, ec);
    if (ec) fail(ec, "shutdown");
}

void socket::close() {
    if (descriptor_) descriptor_->close();
}

void socket::set_no_delay(bool on) {
    set_option(IPPROTO_TCP, TCP_NODELAY, on ? 1 : 0);
}

void socket::set_keep_alive(bool on) {
    set_option(SOL_SOCKET, SO_KEEPALIVE, on ? 1 : 0);
}

void socket::set_option(int level, int name, int value) {
    if (setsockopt(native_handle(), level, name, &value, sizeof value) < 0) {
        fail(last_error(), "setsockopt");
    }
}

int socket::option(int level, int name) const {
    int value = 0;
    socklen_t size = sizeof value;
    if (getsockopt(native_handle(), level, name, &value, &size) < 0) {
        fail(last_error(), "getsockopt");
    }
    return value;
}

address socket::local_address() const {
    return name_of(native_handle(), "getsockname", ::getsockname);
}

address socket::peer_address() const {
    return name_of(native_handle(), "getpeername", ::getpeername);
}

int socket::release() {
    return descriptor_ ? descriptor_->release() : -1;
}

// -- connect

socket connect(const address& to, duration d, std::error_code& ec) {
    const int fd =
        ::socket(to.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
    if (fd < 0) {
        ec = last_error();
        return {};
    }
    socket made{descriptor_owner(fd)};
    ec.clear();
    if (::connect(fd, to.data(), to.size()) < 0) {
        // EINTR: the attempt goes on, as with EINPROGRESS (connect(2)).
        if (errno != EINPROGRESS && errno != EINTR) {
            ec = last_error();
            return {};
        }
        const time_point deadline = tendril::detail::deadline_in(d);
        switch (made.descriptor_->wait(direction::write, deadline)) {
            case descriptor::woken::timed_out:
                ec = std::make_error_code(std::errc::timed_out);
                return {};
            case descriptor::woken::closed:
                ec = std::make_error_code(std::errc::bad_file_descriptor);
                return {};
            case descriptor::woken::ready:
                break;
        }
        if (const int error = made.option(SOL_SOCKET, SO_ERROR)) {
            ec = std::error_code(error, std::system_category());
            return {};
        }
    }
    made.set_no_delay(true);
    return made;
}

socket connect(const address& to, duration d) {
    std::error_code ec;
    socket made = connect(to, d, ec);
    if (ec) throw std::system_error(ec, "connect to " + to.to_string());
    return made;
}

}  // namespace tendril::net
