// SPDX-License-Identifier: BSL-1.0
#include <tendril/net/detail/blocking.hpp>
#include <tendril/net/socket.hpp>

#include <cerrno>
#include <string>

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

[[noreturn]] void fail(std::error_code ec, const std::string& call) {
    throw std::system_error(ec, call);
}

const std::error_code closed = std::make_error_code(std::errc::bad_file_descriptor);

// Runs `f(error_code&)` and throws the error, if there is one.
template <class F>
auto or_throw(const char* call, F f) {
    std::error_code ec;
    const auto result = f(ec);
    if (ec.value() == EBADF)
        fail(ec, std::string(call) + " on a socket that is closed");
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
    if (storage.ss_family != AF_INET && storage.ss_family != AF_INET6) {
        fail(std::make_error_code(std::errc::address_family_not_supported), call);
    }
    return address::from(storage);
}

std::size_t send_part(const descriptor::use& writing,
                      std::span<const std::byte> data,
                      duration limit,
                      std::error_code& ec) {
    return tendril::detail::transfer_bytes(writing, limit, ec, [&] {
        const std::size_t most = TENDRIL_FAULT(short_write) ? 1 : data.size();
        return ::send(writing.fd(), data.data(), most, MSG_NOSIGNAL);
    });
}

}  // namespace

socket::socket(int fd) {
    set_flags(fd);
    int protocol = 0;
    socklen_t size = sizeof protocol;
    getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &size);
    descriptor_ = descriptor_owner(fd, protocol == IPPROTO_TCP);
}

// Whatever parks below may find that this object has moved or gone when it comes back;
// the use, and what it keeps, stay.

std::size_t socket::recv(std::span<std::byte> buffer, std::error_code& ec) {
    ec = is_open() ? std::error_code() : closed;
    if (ec || buffer.empty()) return 0;
    const descriptor::use reading(*descriptor_, direction::read);
    return tendril::detail::transfer_bytes(reading, read_timeout_, ec, [&] {
        const std::size_t most = TENDRIL_FAULT(short_read) ? 1 : buffer.size();
        const ssize_t n = ::recv(reading.fd(), buffer.data(), most, 0);
        // The next attempt would meet EAGAIN: remembered, and not made. The end of
        // the stream stays where it is, and can be read again.
        if (n > 0 && static_cast<std::size_t>(n) < most) reading.short_read();
        if (n < 0 && tendril::detail::would_block(errno)) {
            errno = reading.was_interrupted() ? EINTR : EAGAIN;
        }
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
    ec = is_open() ? std::error_code() : closed;
    if (ec || data.empty()) return 0;
    const descriptor::use writing(*descriptor_, direction::write);
    return send_part(writing, data, write_timeout_, ec);
}

std::size_t socket::send(std::span<const std::byte> data) {
    return or_throw("send", [&](std::error_code& ec) { return send(data, ec); });
}

std::size_t socket::send_all(std::span<const std::byte> data, std::error_code& ec) {
    ec = is_open() ? std::error_code() : closed;
    if (ec || data.empty()) return 0;
    const descriptor::use writing(*descriptor_, direction::write);
    const duration limit = write_timeout_;
    std::size_t sent = 0;
    while (!ec && sent < data.size()) {
        sent += send_part(writing, data.subspan(sent), limit, ec);
    }
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

namespace {

bool has_peer(int fd) {
    sockaddr_storage peer{};
    socklen_t size = sizeof peer;
    return ::getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &size) == 0 ||
           errno != ENOTCONN;
}

}  // namespace

socket connect(const address& to, time_limit d, std::error_code& ec) {
    const int fd =
        ::socket(to.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
    if (fd < 0) {
        ec = last_error();
        return {};
    }
    socket made{descriptor_owner::of_new(fd)};
    ec.clear();
    if (::connect(fd, to.data(), to.size()) < 0) {
        // EINTR: the attempt goes on, as with EINPROGRESS (connect(2)).
        if (errno != EINPROGRESS && errno != EINTR) {
            ec = last_error();
            return {};
        }
        const time_point deadline = tendril::detail::deadline_in(d.length);
        const descriptor::use connecting(*made.descriptor_, direction::write);
        // A wake may come for no reason; then there is neither an error nor a peer.
        do {
            if (!connecting.wait(deadline, ec)) return {};
            if (const int error = made.option(SOL_SOCKET, SO_ERROR)) {
                ec = std::error_code(error, std::system_category());
                return {};
            }
        } while (!has_peer(fd));
    }
    made.set_no_delay(true);
    return made;
}

socket connect(const address& to, time_limit d) {
    std::error_code ec;
    socket made = connect(to, d, ec);
    if (ec) throw std::system_error(ec, "connect to " + to.to_string());
    return made;
}

}  // namespace tendril::net
