// socket.hpp - a TCP connection that looks blocking.
//
//     net::socket s = net::connect("127.0.0.1", 6000);
//     s.send_all("hello\n");
//     char buffer[4096];
//     std::size_t n = s.recv(buffer);          // 0: the peer will send no more
//
// Every call that would block parks the fiber instead; if the system call succeeds at
// once nothing is switched. A fiber whose calls always succeed at once gives the others
// a turn after 64 of them; what is thrown into it comes then, before the next call.
//
// Errors are std::system_error with the code of the system call; each call also has a
// form with a trailing std::error_code& that does not throw it. Misuse (fiber_error)
// and what is thrown into the fiber (kill, timeout) is always thrown. Beyond the codes
// of the system calls:
//   std::errc::timed_out            the socket's own read or write timeout is over
//   std::errc::bad_file_descriptor  the socket is closed, or is closed meanwhile by
//                                   another fiber, which wakes this one at once
//   std::errc::resource_unavailable_try_again
//                                   the timeout is zero, and the call would block
//
// A kill or timeout takes nothing away: bytes are either returned or still in the
// socket. After an interrupted send_all() nobody can know how much was sent.
//
// One fiber may read while another writes. A second reader, or writer, at the same time
// is a fiber_error (second_waiter) that names both.
//
// Descriptors are close-on-exec and non-blocking. Writing to a peer that is gone is an
// error (EPIPE), never SIGPIPE.
//
// Thread rule: as for any object, one thread at a time; from the first call that parks
// the socket belongs to that thread (fiber_error, wrong_thread). In a hub callback,
// what would have to park is a fiber_error (in_hub).
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <tendril/net/address.hpp>
#include <tendril/net/detail/byte_range.hpp>
#include <tendril/net/detail/descriptor.hpp>
#include <tendril/runtime/clock.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <system_error>

namespace tendril::net {

enum class shutdown_mode { read, write, both };

// A chrono duration of any unit as a parameter, checked where it is passed.
// THROWS  fiber_error (bad_argument) for a negative, infinite or NaN one.
class time_limit {
  public:
    template <class Rep, class Period>
    time_limit(std::chrono::duration<Rep, Period> d)
        : length(tendril::detail::checked_duration(d)) {}

    const duration length;
};

class socket {
  public:
    // Closed.
    socket() noexcept = default;

    // Takes over a connected stream socket; makes it non-blocking and close-on-exec.
    // THROWS  std::system_error if that fails; then the descriptor is still the
    // caller's.
    explicit socket(int fd);

    // Move only. Destroying it closes the connection, without parking.
    socket(socket&&) noexcept = default;
    socket& operator=(socket&&) noexcept = default;
    socket(const socket&) = delete;
    socket& operator=(const socket&) = delete;
    ~socket() = default;

    bool is_open() const noexcept { return descriptor_ && !descriptor_->closed(); }

    explicit operator bool() const noexcept { return is_open(); }

    // -- receiving: parks until there is at least a byte

    // Fills up to buffer.size() bytes and returns how many; 0 when the peer has shut
    // down its side (or the buffer is empty).
    std::size_t recv(std::span<std::byte> buffer);
    std::size_t recv(std::span<std::byte> buffer, std::error_code& ec);

    std::size_t recv(std::span<char> buffer) {
        return recv(std::as_writable_bytes(buffer));
    }

    std::size_t recv(std::span<char> buffer, std::error_code& ec) {
        return recv(std::as_writable_bytes(buffer), ec);
    }

    // The same for arrays, vectors and spans of char, unsigned char and char8_t.
    template <tendril::detail::byte_room B>
    std::size_t recv(B&& buffer) {
        return recv(std::as_writable_bytes(std::span(buffer)));
    }

    template <tendril::detail::byte_room B>
    std::size_t recv(B&& buffer, std::error_code& ec) {
        return recv(std::as_writable_bytes(std::span(buffer)), ec);
    }

    // Up to `most` bytes; empty when the peer has shut down its side. One allocation.
    std::string recv(std::size_t most);

    // -- sending: parks while the peer is slow

    // Sends at least a byte (unless data is empty) and returns how many.
    std::size_t send(std::span<const std::byte> data);
    std::size_t send(std::span<const std::byte> data, std::error_code& ec);

    std::size_t send(std::string_view data) { return send(bytes(data)); }

    std::size_t send(std::u8string_view data) { return send(bytes(data)); }

    std::size_t send(std::string_view data, std::error_code& ec) {
        return send(bytes(data), ec);
    }

    std::size_t send(std::u8string_view data, std::error_code& ec) {
        return send(bytes(data), ec);
    }

    // Sends everything. The write timeout counts for each part that the system takes.
    // With an error_code: returns how much was sent.
    void send_all(std::span<const std::byte> data);
    std::size_t send_all(std::span<const std::byte> data, std::error_code& ec);

    void send_all(std::string_view data) { send_all(bytes(data)); }

    void send_all(std::u8string_view data) { send_all(bytes(data)); }

    std::size_t send_all(std::string_view data, std::error_code& ec) {
        return send_all(bytes(data), ec);
    }

    std::size_t send_all(std::u8string_view data, std::error_code& ec) {
        return send_all(bytes(data), ec);
    }

    // The same for vectors, arrays and spans of unsigned char, char8_t and char, too.
    // (An array of char or char8_t is a text, which ends at its NUL.)
    template <tendril::detail::byte_data B>
    std::size_t send(const B& data) {
        return send(std::as_bytes(std::span(data)));
    }

    template <tendril::detail::byte_data B>
    void send_all(const B& data) {
        send_all(std::as_bytes(std::span(data)));
    }

    template <tendril::detail::byte_data B>
    std::size_t send_all(const B& data, std::error_code& ec) {
        return send_all(std::as_bytes(std::span(data)), ec);
    }

    // -- ending

    // A peer that is gone already (ENOTCONN) is no error. Does not park.
    void shutdown(shutdown_mode how = shutdown_mode::both);
    void shutdown(shutdown_mode how, std::error_code& ec);

    // Closes, and wakes the fibers that wait with bad_file_descriptor. Closed twice is
    // fine. Does not park. THROWS  fiber_error (wrong_thread).
    void close();

    // -- settings

    // How long one recv(), or one send(), may park; `forever` at first. Zero: not at
    // all. THROWS  fiber_error (bad_argument) for a negative, infinite or NaN duration.
    template <class Rep, class Period>
    void set_read_timeout(std::chrono::duration<Rep, Period> d) {
        read_timeout_ = tendril::detail::checked_duration(d);
    }

    template <class Rep, class Period>
    void set_write_timeout(std::chrono::duration<Rep, Period> d) {
        write_timeout_ = tendril::detail::checked_duration(d);
    }

    // TCP_NODELAY; sockets from connect() and accept() have it set.
    void set_no_delay(bool on);

    // SO_KEEPALIVE.
    void set_keep_alive(bool on);

    // Any option that is an int, as in setsockopt(2) and getsockopt(2).
    void set_option(int level, int name, int value);
    int option(int level, int name) const;

    address local_address() const;
    address peer_address() const;

    // Still owned by the socket; -1 if closed. Reading or writing it behind the
    // socket's back may make a recv() that comes after park too long.
    int native_handle() const noexcept { return descriptor_ ? descriptor_->fd() : -1; }

    // Gives up the descriptor, still non-blocking; wakes those who wait as close()
    // does.
    int release();

  private:
    friend class listener;
    friend socket connect(const address&, time_limit, std::error_code&);

    template <class Char>
    static std::span<const std::byte> bytes(
        std::basic_string_view<Char> text) noexcept {
        return std::as_bytes(std::span(text));
    }

    // Of a descriptor that is set up already.
    explicit socket(tendril::detail::descriptor_owner&& d) noexcept
        : descriptor_(std::move(d)) {}

    tendril::detail::descriptor_owner descriptor_;
    duration read_timeout_ = forever;
    duration write_timeout_ = forever;
};

// Connects, with no limit of its own (the system's is about two minutes) or within `d`.
// The host is a number; see address.hpp.
// THROWS  std::system_error: the code of connect(2); std::errc::timed_out;
//         invalid_argument for a host that does not parse. What is thrown into the
//         fiber. Nothing leaks.
socket connect(const address& to, time_limit d = forever);
socket connect(const address& to, time_limit d, std::error_code& ec);

inline socket connect(std::string_view host, int port, time_limit d = forever) {
    return connect(address(host, port), d);
}

}  // namespace tendril::net
