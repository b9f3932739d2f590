// SPDX-License-Identifier: BSL-1.0
#include <tendril/net/detail/descriptor.hpp>
#include <tendril/runtime/detail/scheduler.hpp>
#include <tendril/runtime/error.hpp>
#include <tendril/runtime/hub.hpp>

#include <string>

#include <unistd.h>

namespace tendril::detail {

struct descriptor::waiting_fiber final : waiter {
    waiting_fiber(descriptor& on, direction d, bool deaf)
        : waiter(stop_waiting, d == direction::read ? "a read" : "a write"),
          on(on),
          d(d),
          deaf(deaf) {}

    static bool stop_waiting(waiter& w) noexcept {
        auto& self = static_cast<waiting_fiber&>(w);
        if (self.on.waiting_[index(self.d)] != &self) return false;
        self.on.waiting_[index(self.d)] = nullptr;
        return true;
    }

    descriptor& on;
    direction d;
    bool deaf;  // events do not wake it
};

void descriptor::require_own_thread(const char* call) const {
    if (home_ == nullptr || home_ == this_scheduler) return;
    fail(errc::wrong_thread, std::string(call) +
                                 " on a socket that belongs to another thread, the one "
                                 "where it was first waited for");
}

descriptor::woken descriptor::wait(direction d, time_point deadline) {
    waiting_fiber here(*this, d, false);
    return park_in(here, deadline);
}

descriptor::woken descriptor::pause(direction d, time_point until) {
    waiting_fiber here(*this, d, true);
    return park_in(here, until);
}

descriptor::woken descriptor::park_in(waiting_fiber& here, time_point deadline) {
    require_own_thread("waiting");
    waiting_fiber*& place = waiting_[index(here.d)];
    if (place != nullptr) {
        fail(errc::second_waiter, describe(here.fiber) +
                                      " would be the second to wait for " + here.what +
                                      " on descriptor " + std::to_string(fd_) +
                                      "; the first is " + describe(place->fiber));
    }
    io_driver& driver = current_io_driver();
    if (!watch_) {
        watch_ = driver.open(fd_, *this);
        home_ = here.fiber.home;
    }
    if (!here.deaf) {
        watch_->expect(here.d);
        hopeful_[index(here.d)] = false;
    }

    struct stay {
        descriptor& d;
        io_driver& driver;

        ~stay() {
            --driver.parked;
            d.drop();
        }
    };

    // The socket may be closed, and go, while this fiber waits.
    ++references_;
    ++driver.parked;
    const stay until_the_end{*this, driver};
    place = &here;
    const bool in_time = park_until(here, deadline);
    if (closed()) return woken::closed;
    return in_time ? woken::ready : woken::timed_out;
}

void descriptor::on_event(direction d, bool more_to_come_unseen) noexcept {
    hopeful_[index(d)] = true;
    if (more_to_come_unseen) more_to_come_unseen_ = true;
    waiting_fiber*& place = waiting_[index(d)];
    if (place != nullptr && !place->deaf) wake(*std::exchange(place, nullptr));
}

void descriptor::unwatch() noexcept {
    watch_.reset();
    home_ = nullptr;
}

void descriptor::on_driver_gone() noexcept {
    unwatch();
}

void descriptor::close() {
    if (closed()) return;
    require_own_thread("close");
    const int fd = release();
    ::close(fd);
}

int descriptor::release() {
    require_own_thread("release");
    unwatch();
    for (waiting_fiber*& w : waiting_) {
        if (w != nullptr) wake(*std::exchange(w, nullptr));
    }
    return std::exchange(fd_, -1);
}

void descriptor::give_up() noexcept {
    if (home_ != nullptr && home_ != this_scheduler) {
        try {
            home_->owner.post([this] { give_up(); });
            return;
        } catch (const fiber_error&) {
            // That thread has ended, and the registration with it.
            home_ = nullptr;
        }
    }
    close();
    drop();
}

void count_speculation() {
    scheduler& s = current_scheduler();
    constexpr unsigned in_a_row = 64;
    if (++s.speculated >= in_a_row) let_others_run();
}

}  // namespace tendril::detail
