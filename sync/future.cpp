// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/error.hpp>
#include <tendril/sync/future.hpp>

#include <mutex>
#include <new>
#include <optional>
#include <utility>

namespace tendril::detail {

std::exception_ptr abandoned_error() noexcept {
    try {
        return std::make_exception_ptr(
            fiber_error(errc::abandoned, "work was dropped before it had a result"));
    } catch (const std::bad_alloc&) {
        return std::current_exception();
    }
}

future_core::~future_core() {
    if (error_ && !error_seen_.load() && !ends_quietly(error_)) {
        report(error_, "an exception nobody waited for, of a future");
    }
}

std::exception_ptr future_core::error() noexcept {
    if (!done()) return nullptr;
    error_seen_.store(true);
    return error_;
}

bool future_core::join(time_point deadline) {
    if (done()) return true;
    std::optional<waits_elsewhere> for_others;
    if (elsewhere_) for_others.emplace();
    auto held = wait_queue::hold_to_wait(lock_);
    if (done()) return true;
    wait_queue::place here("future");
    return line_.wait(held, here, deadline);
}

void future_core::complete(std::exception_ptr error) noexcept {
    wait_queue::taken woken;
    const std::lock_guard held(lock_);
    if (done()) return;
    error_ = std::move(error);
    done_.store(true, std::memory_order_release);
    while (!line_.empty()) woken.add(line_.take_first());
    while (!watches_.empty()) {
        waiter& w = watches_.pop_front();
        w.told(w);
    }
}

bool future_core::watch(waiter& w) {
    const std::lock_guard held(lock_);
    if (done()) return false;
    watches_.push_back(w);
    return true;
}

void future_core::unwatch(waiter& w) noexcept {
    const std::lock_guard held(lock_);
    if (w.linked()) w.unlink();
}

}  // namespace tendril::detail
