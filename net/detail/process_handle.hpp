// process_handle.hpp - a descriptor of a process (a pidfd), which tells of its end.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <utility>

#include <poll.h>
#include <unistd.h>

namespace tendril::detail {

// Owns it. None where the system has no such thing.
class process_handle {
  public:
    explicit process_handle(int fd = -1) noexcept : fd_(fd) {}

    process_handle(process_handle&& other) noexcept
        : fd_(std::exchange(other.fd_, -1)) {}

    process_handle& operator=(process_handle other) noexcept {
        std::swap(fd_, other.fd_);
        return *this;
    }

    ~process_handle() {
        if (fd_ >= 0) ::close(fd_);
    }

    explicit operator bool() const noexcept { return fd_ >= 0; }

    int fd() const noexcept { return fd_; }

    // False if there is none.
    bool has_ended() const noexcept {
        if (fd_ < 0) return false;
        pollfd look{.fd = fd_, .events = POLLIN, .revents = 0};
        return poll(&look, 1, 0) > 0;
    }

  private:
    int fd_;
};

}  // namespace tendril::detail
