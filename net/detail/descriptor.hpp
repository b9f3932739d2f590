// descriptor.hpp - a file descriptor that fibers wait for.
//
// Speculate, then park: the caller tries the system call first, and comes here only
// when there is reason to think that it would block. One registration per descriptor,
// made at the first wait, on the thread that waits; from then on it belongs to that
// thread.
//
// At most one fiber uses each direction; a second one is an error that names both.
// close() wakes those who wait with a closed error at once. Fibers use this object, and
// never a number, so that whoever gets the number next is no concern of theirs.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <tendril/net/detail/io_driver.hpp>
#include <tendril/runtime/clock.hpp>
#include <tendril/runtime/detail/mailbox.hpp>
#include <tendril/runtime/park.hpp>

#include <atomic>
#include <cstddef>
#include <memory>
#include <system_error>
#include <utility>

namespace tendril::detail {

class descriptor final : event_sink, letter {
  public:
    class use;

    // Owns `fd`, which must be non-blocking. `is_tcp`: see short_read().
    explicit descriptor(int fd, bool is_tcp = true) noexcept
        : fd_(fd), is_tcp_(is_tcp), short_read_is_all_(is_tcp) {}

    descriptor(const descriptor&) = delete;
    descriptor& operator=(const descriptor&) = delete;

    int fd() const noexcept { return fd_; }

    bool closed() const noexcept { return fd_ < 0; }

    // Closes the descriptor and wakes those who wait.
    // THROWS  fiber_error (wrong_thread) if it belongs to another thread.
    void close();

    // The same without closing; returns the descriptor, -1 if it is closed.
    int release();

    // How often use::pause() has been called.
    std::size_t pauses() const noexcept { return pauses_; }

    // The owner goes: closes, and frees this when the last user has left. On another
    // thread than the one it belongs to, that is done there, soon.
    void give_up() noexcept;

  private:
    struct waiting_fiber;

    ~descriptor() = default;

    static std::size_t index(direction d) noexcept {
        return static_cast<std::size_t>(d);
    }

    void on_event(direction d, bool more_to_come_unseen) noexcept override;
    void on_driver_gone() noexcept override;

    bool belongs_elsewhere() const noexcept {
        const scheduler* const home = home_.load(std::memory_order_acquire);
        return home != nullptr && home != this_scheduler;
    }

    bool is_readable() const noexcept;
    void require_own_thread(const char* call) const;
    [[noreturn]] void fail_second_user(direction d) const;
    bool start_expecting(direction d, std::error_code& ec);
    void stop_watching() noexcept;
    void close_and_drop() noexcept;

    void drop() noexcept {
        if (--references_ == 0) delete this;
    }

    int fd_;
    unsigned references_ = 1;  // the owner, and each use
    bool hopeful_[2] = {true, true};
    bool is_tcp_;
    bool short_read_is_all_;
    std::size_t pauses_ = 0;
    fiber_core* user_[2] = {nullptr, nullptr};
    waiting_fiber* waiting_[2] = {nullptr, nullptr};
    // Set with watch_ by the thread that waits; cleared by another than the caller's
    // only when that thread ends.
    std::atomic<scheduler*> home_{nullptr};
    io_driver* driver_ = nullptr;
    std::unique_ptr<watch> watch_;
};

// One call of one fiber, from its first attempt to its last: keeps other fibers out of
// this direction, and the descriptor in memory, even if its owner goes meanwhile.
class descriptor::use {
  public:
    // THROWS  fiber_error: second_waiter, wrong_thread.
    use(descriptor& of, direction way) : of_(of), way_(way) {
        if (of.belongs_elsewhere()) [[unlikely]]
            of.require_own_thread("use");
        fiber_core*& user = of.user_[index(way)];
        if (user != nullptr) [[unlikely]]
            of.fail_second_user(way);
        user = current_scheduler().current;
        ++of.references_;
    }

    use(const use&) = delete;
    use& operator=(const use&) = delete;

    ~use() {
        of_.user_[index(way_)] = nullptr;
        of_.drop();
    }

    int fd() const noexcept { return of_.fd_; }

    // To be called before the first attempt: when this fiber has had many calls in a
    // row that succeeded at once, the others get a turn, so that a busy peer can starve
    // nobody. False if the descriptor has been closed meanwhile.
    // THROWS  what is thrown into the fiber.
    bool take_turn(std::error_code& ec) const {
        constexpr unsigned in_a_row = 64;
        scheduler& s = *this_scheduler;
        if (++s.speculated <= in_a_row || s.on_loop()) [[likely]]
            return true;
        return let_others_have_theirs(ec);
    }

    // False if an attempt is known to meet EAGAIN: nothing has happened since the last
    // one that did, or since a read that got less than it asked for.
    bool worth_trying() const noexcept { return of_.hopeful_[index(way_)]; }

    // An attempt has met EAGAIN.
    void would_block() const noexcept { of_.hopeful_[index(way_)] = false; }

    // A read got less than it asked for: what there was is read, unless the peer has
    // hung up or sent urgent data, which an event seen before would have told. Of what
    // comes later there will be a new event. Holds for TCP; other sockets may cut a
    // read short for other reasons, and are tried again.
    void short_read() const noexcept { of_.hopeful_[0] = !of_.short_read_is_all_; }

    // A read has met EAGAIN. True if that was no more than an interruption: where the
    // next byte is urgent, Linux does not go on to what is behind it while a signal is
    // pending, and there will be no event for what has been there already.
    bool was_interrupted() const noexcept {
        return of_.is_tcp_ && !of_.short_read_is_all_ && of_.is_readable();
    }

    // Parks until an attempt may succeed. False, and why: timed_out;
    // bad_file_descriptor if it has been closed; what the system says when it cannot be
    // watched. THROWS  what is thrown into the fiber; fiber_error (in_hub).
    bool wait(time_point deadline, std::error_code& ec) const;

    // Parks until `until`, whatever happens on the descriptor: for who must not try
    // again before. False if it has been closed. Otherwise as wait().
    bool pause(time_point until, std::error_code& ec) const;

  private:
    bool let_others_have_theirs(std::error_code& ec) const;
    bool still_open(std::error_code& ec) const;

    descriptor& of_;
    direction way_;
};

// What a socket holds. Its end closes the descriptor and wakes those who wait.
class descriptor_owner {
  public:
    descriptor_owner() noexcept = default;

    explicit descriptor_owner(int fd, bool is_tcp = true)
        : to_(new descriptor(fd, is_tcp)) {}

    // The constructor leaves `fd` to the caller when it throws; this closes it.
    static descriptor_owner of_new(int fd);

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

}  // namespace tendril::detail
