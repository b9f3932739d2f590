// descriptors.hpp - pipes and their like, for what a hub watches.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <tendril/runtime/hub.hpp>

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

#include "other_thread.hpp"
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

namespace tendril::test {

// Closed with its owner.
class owned_descriptor {
  public:
    explicit owned_descriptor(int fd) noexcept : fd_(fd) {}

    owned_descriptor(owned_descriptor&& other) noexcept
        : fd_(std::exchange(other.fd_, -1)) {}

    owned_descriptor& operator=(owned_descriptor&& other) noexcept {
        std::swap(fd_, other.fd_);
        return *this;
    }

    ~owned_descriptor() { close(); }

    void close() noexcept {
        if (fd_ >= 0) ::close(std::exchange(fd_, -1));
    }

    int fd() const noexcept { return fd_; }

    void write(std::string_view text) const {
        [[maybe_unused]] const ssize_t n = ::write(fd_, text.data(), text.size());
    }

    // What is there, up to `most` bytes.
    std::string read(std::size_t most = 64) const {
        std::string text(most, '\0');
        const ssize_t n = ::read(fd_, text.data(), most);
        text.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
        return text;
    }

  private:
    int fd_;
};

// A pipe, or a pair of sockets, of which each end can do both.
struct two_ends {
    owned_descriptor in;   // to read from
    owned_descriptor out;  // to write to
};

inline two_ends make_pipe() {
    int fds[2] = {-1, -1};
    [[maybe_unused]] const int made = pipe2(fds, O_NONBLOCK | O_CLOEXEC);
    return {owned_descriptor(fds[0]), owned_descriptor(fds[1])};
}

inline two_ends make_socket_pair() {
    int fds[2] = {-1, -1};
    [[maybe_unused]] const int made =
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds);
    return {owned_descriptor(fds[0]), owned_descriptor(fds[1])};
}

// Returns when the hub has looked at all descriptors once: what is ready has been
// called, what is not will not be.
inline void look_at_descriptors() {
    hub& h = hub::current();
    const owned_descriptor ready(eventfd(1, EFD_CLOEXEC));
    h.add_reader(ready.fd(), [&] {
        h.remove_reader(ready.fd());
        h.stop();
    });
    h.run_forever();
}

// A hub's epoll stays open; made before clean_end counts.
class made_epoll {
  public:
    made_epoll() { look_at_descriptors(); }
};

class clean_watching_end : made_epoll, public clean_end_of_threads {};

}  // namespace tendril::test
