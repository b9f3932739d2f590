// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/detail/doorbell.hpp>

#include <cerrno>
#include <cstdint>
#include <memory>
#include <mutex>
#include <system_error>

#include <sys/eventfd.h>
#include <unistd.h>

namespace tendril::detail {
namespace {

std::mutex spares_mutex;
doorbell* spares = nullptr;
std::atomic<doorbell*> newest{nullptr};  // of all

}  // namespace

doorbell& doorbell::acquire() {
    {
        const std::lock_guard lock(spares_mutex);
        if (doorbell* const spare = spares) {
            spares = spare->next_;
            spare->drain();
            return *spare;
        }
    }
    std::unique_ptr<doorbell> made(new doorbell);
    made->fd_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (made->fd_ < 0) {
        throw std::system_error(errno, std::generic_category(), "eventfd for a hub");
    }
    made->before_ = newest.load();
    while (!newest.compare_exchange_weak(made->before_, made.get())) {
    }
    return *made.release();
}

void doorbell::give_back() noexcept {
    const std::lock_guard lock(spares_mutex);
    next_ = spares;
    spares = this;
}

void doorbell::ring_all() noexcept {
    for (doorbell* at = newest.load(); at != nullptr; at = at->before_) at->ring();
}

void doorbell::drain() noexcept {
    std::uint64_t rings = 0;
    while (read(fd_, &rings, sizeof rings) < 0 && errno == EINTR) {
    }
}

void doorbell::write() noexcept {
    const std::uint64_t one = 1;
    // EAGAIN means that the counter is full, so the bell is ringing already.
    while (::write(fd_, &one, sizeof one) < 0 && errno == EINTR) {
    }
}

}  // namespace tendril::detail
