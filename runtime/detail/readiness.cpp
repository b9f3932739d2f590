// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/detail/callback.hpp>
#include <tendril/runtime/detail/readiness.hpp>
#include <tendril/runtime/detail/scheduled_call.hpp>
#include <tendril/runtime/detail/scheduler.hpp>
#include <tendril/runtime/error.hpp>
#include <tendril/runtime/park.hpp>

#include <array>
#include <cerrno>
#include <string>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <sys/epoll.h>
#include <unistd.h>

namespace tendril::detail {
namespace {

std::size_t index(direction d) noexcept {
    return static_cast<std::size_t>(d);
}

const char* verb(direction d) noexcept {
    return d == direction::read ? "read" : "write";
}

[[noreturn]] void fail_to_watch(int fd, int error) {
    throw std::system_error(error, std::system_category(),
                            "descriptor " + std::to_string(fd) + " cannot be watched");
}

}  // namespace

struct readiness::waiting_fiber final : waiter {
    waiting_fiber(readiness& on, int fd, direction d)
        : waiter(stop_waiting,
                 d == direction::read ? "a descriptor to be readable"
                                      : "a descriptor to be writable"),
          on(on),
          fd(fd),
          d(d) {}

    static bool stop_waiting(waiter& w) noexcept {
        auto& self = static_cast<waiting_fiber&>(w);
        if (!std::exchange(self.in_place, false)) return false;
        self.on.leave(self.fd, self.d);
        return true;
    }

    readiness& on;
    int fd;
    direction d;
    bool in_place = true;
};

readiness::readiness(scheduler& home)
    : home_(home), epoll_(epoll_create1(EPOLL_CLOEXEC)) {
    if (epoll_ < 0) {
        throw std::system_error(errno, std::system_category(), "epoll_create1");
    }
}

readiness::~readiness() {
    close(epoll_);
}

// -- who waits

readiness::side& readiness::place(int fd, direction d, bool for_fiber) {
    if (fd < 0) fail_to_watch(fd, EBADF);
    const auto number = static_cast<std::size_t>(fd);
    if (number >= entries_.size()) {
        // The table is as long as the highest number: not for one that is none.
        if (fcntl(fd, F_GETFD) < 0) fail_to_watch(fd, errno);
        entries_.resize(number + 1);
    }
    side& here = entries_[number].sides[index(d)];
    if (here.fiber != nullptr || (for_fiber && here.call != nullptr)) {
        fail_second(fd, d, here);
    }
    return here;
}

void readiness::set(int fd, direction d, std::shared_ptr<standing_callback> call) {
    side& here = place(fd, d, false);
    const auto before = std::exchange(here.call, std::move(call));
    if (const int error = update(fd)) {
        here.call = before;
        fail_to_watch(fd, error);
    }
    if (before == nullptr) ++in_use_;
}

bool readiness::remove(int fd, direction d) noexcept {
    if (fd < 0 || static_cast<std::size_t>(fd) >= entries_.size()) return false;
    side& here = entries_[static_cast<std::size_t>(fd)].sides[index(d)];
    // Goes at the end: what it holds may add and remove others.
    const auto gone = std::exchange(here.call, nullptr);
    if (gone == nullptr) return false;
    --in_use_;
    update(fd);
    return true;
}

bool readiness::wait(int fd, direction d, time_point deadline) {
    waiting_fiber here(*this, fd, d);
    side& at = place(fd, d, true);
    at.fiber = &here;
    if (const int error = update(fd)) {
        at.fiber = nullptr;
        fail_to_watch(fd, error);
    }
    ++in_use_;
    return park_until(here, deadline);
}

void readiness::leave(int fd, direction d) noexcept {
    entries_[static_cast<std::size_t>(fd)].sides[index(d)].fiber = nullptr;
    --in_use_;
    update(fd);
}

void readiness::remove_callbacks() noexcept {
    for (std::size_t fd = 0; fd < entries_.size(); ++fd) {
        remove(static_cast<int>(fd), direction::read);
        remove(static_cast<int>(fd), direction::write);
    }
}

void readiness::fail_second(int fd, direction d, const side& first) const {
    const std::string whose =
        first.fiber != nullptr ? describe(first.fiber->fiber) : "a callback of the hub";
    const std::string who = home_.on_loop() ? "a callback" : describe(*home_.current);
    fail(errc::second_waiter, who + " would be the second to " + verb(d) +
                                  " on descriptor " + std::to_string(fd) +
                                  "; the first is " + whose);
}

// -- the epoll

int readiness::update(int fd) noexcept {
    entry& e = entries_[static_cast<std::size_t>(fd)];
    epoll_event event{.events = 0, .data = {}};
    if (e.sides[index(direction::read)].in_use()) event.events |= EPOLLIN;
    if (e.sides[index(direction::write)].in_use()) event.events |= EPOLLOUT;
    if (event.events == 0) {
        // Fails for one that has been closed, which epoll has forgotten by itself.
        if (std::exchange(e.registered, false)) {
            epoll_ctl(epoll_, EPOLL_CTL_DEL, fd, nullptr);
        }
        return 0;
    }
    // Or the number may be another file's by now, and then it has to be added again.
    event.data.u64 = mark(fd, e);
    int done = e.registered ? epoll_ctl(epoll_, EPOLL_CTL_MOD, fd, &event) : -1;
    if (!e.registered || (done != 0 && errno == ENOENT)) {
        ++e.generation;
        event.data.u64 = mark(fd, e);
        done = epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event);
    }
    if (done != 0) return errno;
    e.registered = true;
    return 0;
}

bool readiness::serve() noexcept {
    if (!waiting()) return false;
    std::array<epoll_event, 64> events;
    const int count =
        epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), 0);
    for (int i = 0; i < count; ++i) {
        const epoll_event event = events[static_cast<std::size_t>(i)];
        // One that has failed, or hung up, is ready for whatever is tried.
        if ((event.events & ~std::uint32_t{EPOLLOUT}) != 0) {
            tell(event.data.u64, direction::read);
        }
        if ((event.events & ~std::uint32_t{EPOLLIN}) != 0) {
            tell(event.data.u64, direction::write);
        }
    }
    return count > 0;
}

std::uint64_t readiness::mark(int fd, const entry& e) noexcept {
    return std::uint64_t{e.generation} << 32 | static_cast<std::uint32_t>(fd);
}

// Whoever was told before it in the same batch may have closed the file, and another
// may have the number.
void readiness::tell(std::uint64_t marked, direction d) noexcept {
    const auto fd = static_cast<int>(static_cast<std::uint32_t>(marked));
    const entry& e = entries_[static_cast<std::size_t>(fd)];
    if (marked != mark(fd, e)) return;
    const side& here = e.sides[index(d)];
    if (waiting_fiber* const woken = here.fiber) {
        woken->in_place = false;
        leave(fd, d);
        wake(*woken);
    } else if (const auto call = here.call) {
        run_callback(
            home_, call->f, call->context,
            d == direction::read ? "a reader of the hub" : "a writer of the hub");
    }
}

}  // namespace tendril::detail
