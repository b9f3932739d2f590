// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/detail/scheduler.hpp>
#include <tendril/runtime/error.hpp>
#include <tendril/sync/shared_mutex.hpp>

#include <string>

namespace tendril {
namespace {

std::uint64_t self() {
    return detail::current_scheduler().current->id;
}

}  // namespace

struct shared_mutex::waiting final : wait_queue::place {
    explicit waiting(bool shared) : place("shared_mutex", true), shared(shared) {}

    const bool shared;
};

bool shared_mutex::try_lock() {
    const std::uint64_t caller = self();
    const std::lock_guard held(lock_);
    if (writer_ != 0 || readers_ > 0) return false;
    writer_ = caller;
    return true;
}

bool shared_mutex::try_lock_until(time_point deadline) {
    const std::uint64_t caller = self();
    std::unique_lock held(lock_);
    fail_if_writer(held, caller);
    if (writer_ == 0 && readers_ == 0) {
        writer_ = caller;
        return true;
    }
    waiting here(false);
    return wait(held, here, deadline);
}

void shared_mutex::unlock() {
    const std::uint64_t caller = self();
    wait_queue::taken woken;
    std::unique_lock held(lock_);
    if (writer_ != caller) {
        held.unlock();
        detail::fail(errc::not_owner,
                     describe(*detail::current_scheduler().current) +
                         " unlocks a shared_mutex of which it is not the writer");
    }
    writer_ = 0;
    let_in(woken);
}

bool shared_mutex::try_lock_shared() {
    const std::lock_guard held(lock_);
    if (writer_ != 0 || !line_.empty()) return false;
    ++readers_;
    return true;
}

bool shared_mutex::try_lock_shared_until(time_point deadline) {
    const std::uint64_t caller = self();
    std::unique_lock held(lock_);
    fail_if_writer(held, caller);
    if (writer_ == 0 && line_.empty()) {
        ++readers_;
        return true;
    }
    waiting here(true);
    return wait(held, here, deadline);
}

void shared_mutex::unlock_shared() {
    wait_queue::taken woken;
    std::unique_lock held(lock_);
    if (readers_ == 0) {
        held.unlock();
        detail::fail(errc::not_owner,
                     "a shared_mutex was unlocked shared that nobody holds so");
    }
    if (--readers_ == 0) let_in(woken);
}

bool shared_mutex::wait(std::unique_lock<wait_queue::lock>& held,
                        waiting& here,
                        time_point deadline) {
    // A writer that gives up may have been all that held up the readers behind it.
    struct leaving {
        shared_mutex& m;
        bool is_in = false;

        ~leaving() {
            if (!is_in) m.let_others_in();
        }
    } at_end{*this};

    at_end.is_in = line_.wait(held, here, deadline);
    return at_end.is_in;
}

void shared_mutex::let_others_in() noexcept {
    wait_queue::taken woken;
    const std::lock_guard held(lock_);
    let_in(woken);
}

// As many as may be in now, from the head of the line.
void shared_mutex::let_in(wait_queue::taken& woken) noexcept {
    while (!line_.empty() && writer_ == 0) {
        auto& next = static_cast<waiting&>(line_.first());
        if (!next.shared && readers_ > 0) return;
        if (next.shared) {
            ++readers_;
        } else {
            writer_ = next.fiber.id;
        }
        woken.add(line_.take_first());
    }
}

void shared_mutex::fail_if_writer(std::unique_lock<wait_queue::lock>& held,
                                  std::uint64_t caller) const {
    if (writer_ != caller) return;
    held.unlock();
    detail::fail(errc::already_set,
                 describe(*detail::current_scheduler().current) +
                     " locks a shared_mutex that it holds as its writer already");
}

}  // namespace tendril
