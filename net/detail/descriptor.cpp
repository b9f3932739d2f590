// SPDX-License-Identifier: BSL-1.0
#include <tendril/net/detail/descriptor.hpp>
#include <tendril/runtime/detail/choices.hpp>
#include <tendril/runtime/detail/scheduler.hpp>
#include <tendril/runtime/error.hpp>
#include <tendril/runtime/hub.hpp>

#include <mutex>
#include <string>

#include <poll.h>
#include <unistd.h>

namespace tendril::detail {

struct descriptor::waiting_fiber final : waiter {
    waiting_fiber(descriptor& on, direction d)
        : waiter(stop_waiting, d == direction::read ? "a read" : "a write"),
          on(on),
          d(d) {}

    static bool stop_waiting(waiter& w) noexcept {
        auto& self = static_cast<waiting_fiber&>(w);
        if (self.on.waiting_[index(self.d)] != &self) return false;
        self.on.waiting_[index(self.d)] = nullptr;
        return true;
    }

    descriptor& on;
    direction d;
    bool deaf = false;  // events do not wake it
};

// -- use

bool descriptor::use::still_open(std::error_code& ec) const {
    if (!of_.closed()) return true;
    ec = std::make_error_code(std::errc::bad_file_descriptor);
    return false;
}

bool descriptor::use::let_others_have_theirs(std::error_code& ec) const {
    yield_now();
    return still_open(ec);
}

bool descriptor::use::wait(time_point deadline, std::error_code& ec) const {
    waiting_fiber here(of_, way_);
    if (!of_.start_expecting(way_, ec)) return false;
    of_.hopeful_[index(way_)] = false;
    if (TENDRIL_FAULT(spurious_wake)) {
        of_.hopeful_[index(way_)] = true;
        return true;
    }

    struct count_parked {
        io_driver& of;

        explicit count_parked(io_driver& of) : of(of) { ++of.parked; }

        ~count_parked() { --of.parked; }
    } const counted(*of_.driver_);

    of_.waiting_[index(way_)] = &here;
    const bool in_time = park_until(here, deadline);
    if (!still_open(ec)) return false;
    if (!in_time) ec = std::make_error_code(std::errc::timed_out);
    return in_time;
}

bool descriptor::use::pause(time_point until, std::error_code& ec) const {
    waiting_fiber here(of_, way_);
    here.deaf = true;
    ++of_.pauses_;

    // Whatever it waits for, it is this thread's as long as it waits.
    struct ours {
        descriptor& of;
        bool before;

        explicit ours(descriptor& of)
            : of(of), before(of.home_.load(std::memory_order_relaxed) != nullptr) {
            of.home_.store(this_scheduler, std::memory_order_relaxed);
        }

        ~ours() {
            if (!before) of.home_.store(nullptr, std::memory_order_release);
        }
    } const bound(of_);

    of_.waiting_[index(way_)] = &here;
    park_until(here, until);
    return still_open(ec);
}

// -- events

bool descriptor::is_readable() const noexcept {
    pollfd what{.fd = fd_, .events = POLLIN, .revents = 0};
    return ::poll(&what, 1, 0) > 0 && (what.revents & POLLIN) != 0;
}

void descriptor::on_event(direction d, bool more_to_come_unseen) noexcept {
    hopeful_[index(d)] = true;
    if (more_to_come_unseen) short_read_is_all_ = false;
    waiting_fiber*& place = waiting_[index(d)];
    if (place != nullptr && !place->deaf) wake(*std::exchange(place, nullptr));
}

bool descriptor::start_expecting(direction d, std::error_code& ec) {
    try {
        if (!watch_) {
            driver_ = &current_io_driver();
            watch_ = driver_->open(fd_, *this);
            home_.store(this_scheduler, std::memory_order_relaxed);
        }
        watch_->expect(d);
        return true;
    } catch (const std::system_error& e) {
        ec = e.code();
        return false;
    }
}

void descriptor::stop_watching() noexcept {
    watch_.reset();
    // Whoever sees this may start anew on another thread.
    home_.store(nullptr, std::memory_order_release);
}

// -- the end

void descriptor::close() {
    if (closed()) return;
    require_own_thread("close");
    ::close(release());
}

int descriptor::release() {
    require_own_thread("release");
    stop_watching();
    for (waiting_fiber*& w : waiting_) {
        if (w != nullptr) wake(*std::exchange(w, nullptr));
    }
    return std::exchange(fd_, -1);
}

void descriptor::close_and_drop() noexcept {
    if (!closed()) ::close(release());
    drop();
}

void descriptor::give_up() noexcept {
    if (belongs_elsewhere()) {
        // Held, its thread cannot end; but it may be about to, and read no more mail.
        const std::lock_guard held(io_driver::ends);
        if (scheduler* const home = home_.load(std::memory_order_relaxed)) {
            open = [](letter& l) { static_cast<descriptor&>(l).close_and_drop(); };
            // Taken for certain: a hub parts from its descriptors before its mailbox
            // refuses.
            hub_internals::send(home->owner, *this);
            return;
        }
    }
    close_and_drop();
}

void descriptor::on_driver_gone() noexcept {
    stop_watching();
}

descriptor_owner descriptor_owner::of_new(int fd) {
    try {
        return descriptor_owner(fd);
    } catch (...) {
        ::close(fd);
        throw;
    }
}

// -- misuse

void descriptor::require_own_thread(const char* call) const {
    if (!belongs_elsewhere()) return;
    fail(errc::wrong_thread, std::string(call) +
                                 " of a socket that belongs to another thread, the one "
                                 "where it was first waited for");
}

void descriptor::fail_second_user(direction d) const {
    const char* const what = d == direction::read ? "read" : "write";
    fail(errc::second_waiter, describe(*current_scheduler().current) +
                                  " would be the second to " + what +
                                  " on descriptor " + std::to_string(fd_) +
                                  "; the first is " + describe(*user_[index(d)]));
}

}  // namespace tendril::detail
