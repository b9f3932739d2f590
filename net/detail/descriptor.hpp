// descriptor.hpp - a file descriptor that fibers wait for.
//
// Speculate, then park: the caller tries the system call first, and comes here only
// when there is reason to think that it would block. One registration per descriptor,
// made at the first wait, on the thread that waits; from then on it belongs to that
// thread.
//
// At most one fiber waits in each direction; a second one is an error that names both.
// close() wakes both with a closed error at once. Fibers wait for this object, never
// for a number, so that whoever gets the number next is no concern of theirs.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <tendril/net/detail/io_driver.hpp>
#include <tendril/runtime/clock.hpp>
#include <tendril/runtime/park.hpp>

#include <cstddef>
#include <memory>
#include <utility>

namespace tendril::detail {

class descriptor final : event_sink {
  public:
    enum class woken { ready, closed, timed_out };

    // Owns `fd`, which must be non-blocking.
    explicit descriptor(int fd) noexcept : fd_(fd) {}

    descriptor(const descriptor&) = delete;
    descriptor& operator=(const descriptor&) = delete;

    int fd() const noexcept { return fd_; }

    bool closed() const noexcept { return fd_ < 0; }

    // False if an attempt is known to meet EAGAIN: nothing has happened since the last
    // one that did, or since a read that got less than it asked for.
    bool worth_trying(direction d) const noexcept { return hopeful_[index(d)]; }

    // An attempt has met EAGAIN.
    void would_block(direction d) noexcept { hopeful_[index(d)] = false; }

    // A read got less than it asked for: what there was is read, unless the peer has
    // hung up or sent urgent data, which an event seen before would have told. Of what
    // comes later there will be a new event. REQUIRES  a TCP socket. Others may cut a
    // read short for other reasons.
    void short_read() noexcept { hopeful_[0] = more_to_come_unseen_; }

    // Parks until an attempt in this direction may succeed.
    // THROWS  what is thrown into the fiber; fiber_error: second_waiter, wrong_thread,
    //         in_hub; std::system_error from epoll.
    woken wait(direction d, time_point deadline);

    // Closes the descriptor and wakes those who wait.
    // THROWS  fiber_error (wrong_thread) if it belongs to another thread.
    void close();

    // Gives up the descriptor without closing it; -1 if it is closed.
    int release();

    // Parks until `until`, or until closed: for who must not try again before, whatever
    // happens. Otherwise as wait(), but returns timed_out when it is over.
    woken pause(direction d, time_point until);

    // The owner goes: closes, and frees this when the last waiting fiber has left. On
    // another thread than the one it belongs to, that is done there, later.
    void give_up() noexcept;

  private:
    struct waiting_fiber;

    ~descriptor() = default;

    static std::size_t index(direction d) noexcept {
        return static_cast<std::size_t>(d);
    }

    void on_event(direction d, bool more_to_come_unseen) noexcept override;
    void on_driver_gone() noexcept override;
    void require_own_thread(const char* call) const;
    void unwatch() noexcept;
    woken park_in(waiting_fiber& here, time_point deadline);

    void drop() noexcept {
        if (--references_ == 0) delete this;
    }

    int fd_;
    unsigned references_ = 1;  // the owner, and each fiber that waits
    bool hopeful_[2] = {true, true};
    bool more_to_come_unseen_ = false;
    waiting_fiber* waiting_[2] = {nullptr, nullptr};
    scheduler* home_ = nullptr;  // of the registration
    std::unique_ptr<watch> watch_;
};

// What a socket holds. Its end closes the descriptor and wakes those who wait.
class descriptor_owner {
  public:
    descriptor_owner() noexcept = default;

    explicit descriptor_owner(int fd) : to_(new descriptor(fd)) {}

    descriptor_owner(descriptor_owner&& other) noexcept
        : to_(std::exchange(other.to_, nullptr)) {}

    descriptor_owner& operator=(descriptor_owner other) noexcept {
        std::swap(to_, other.to_);
        return *this;
    }

    ~descriptor_owner() {
        if (to_ != nullptr) to_->give_up();
    }

    descriptor* operator->() const noexcept { return to_; }

    descriptor& operator*() const noexcept { return *to_; }

    explicit operator bool() const noexcept { return to_ != nullptr; }

  private:
    descriptor* to_ = nullptr;
};

// Called after an I/O call that succeeded without parking: lets the others run when one
// fiber has had many of these in a row, so that a busy peer cannot starve them.
void count_speculation();

}  // namespace tendril::detail
