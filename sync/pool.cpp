// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/error.hpp>
#include <tendril/sync/detail/end_all.hpp>
#include <tendril/sync/pool.hpp>

#include <array>
#include <mutex>
#include <string>

namespace tendril {

namespace detail {

namespace {

void require_size(std::ptrdiff_t size) {
    if (size >= 0) return;
    fail(errc::bad_argument, "a pool cannot have " + std::to_string(size) + " slots");
}

}  // namespace

pool_slots::pool_slots(std::ptrdiff_t size) : size_(size) {
    require_size(size);
}

void pool_slots::take() {
    auto held = wait_queue::hold_to_wait(lock_);
    // Slots are handed on directly, so a free one means that nobody waits.
    if (taken_ < size_) {
        ++taken_;
        return;
    }
    wait_queue::place here("pool::spawn", true);
    line_.wait(held, here);
}

bool pool_slots::take_or_exceed() noexcept {
    const std::lock_guard held(lock_);
    return ++taken_ <= size_;
}

void pool_slots::give_back() noexcept {
    wait_queue::taken woken;
    const std::lock_guard held(lock_);
    if (!line_.empty() && taken_ <= size_) {
        woken.add(line_.take_first());
        return;
    }
    if (--taken_ > 0) return;
    while (!until_unused_.empty()) woken.add(until_unused_.take_first());
}

void pool_slots::wait_until_unused() {
    auto held = wait_queue::hold_to_wait(lock_);
    if (taken_ == 0) return;
    wait_queue::place here("pool::wait_all");
    until_unused_.wait(held, here);
}

void pool_slots::resize(std::ptrdiff_t size) {
    require_size(size);
    wait_queue::taken woken;
    const std::lock_guard held(lock_);
    size_ = size;
    for (; !line_.empty() && taken_ < size_; ++taken_) woken.add(line_.take_first());
}

std::ptrdiff_t pool_slots::size() const noexcept {
    const std::lock_guard held(lock_);
    return size_;
}

std::ptrdiff_t pool_slots::taken() const noexcept {
    const std::lock_guard held(lock_);
    return taken_;
}

std::ptrdiff_t pool_slots::free() const noexcept {
    const std::lock_guard held(lock_);
    return size_ - taken_;
}

std::size_t pool_slots::waiting() const noexcept {
    const std::lock_guard held(lock_);
    return line_.size();
}

}  // namespace detail

pool::pool(std::ptrdiff_t size) : slots_(std::make_shared<detail::pool_slots>(size)) {}

void pool::wait_all() {
    if (is_member()) {
        detail::fail(
            errc::deadlock,
            detail::describe(*detail::this_scheduler->current) +
                " would wait for the end of all members of a pool, and is one");
    }
    slots_->wait_until_unused();
}

// A member keeps the slots alive, so that no other pool can have their address.
bool pool::is_member() const noexcept {
    return detail::this_scheduler != nullptr &&
           detail::this_scheduler->current->member_of == slots_.get();
}

pool::place pool::enter(bool null_callable) {
    if (null_callable) {
        detail::fail(errc::bad_argument, "a pool was given nothing to call");
    }
    bool exceeds = false;
    if (is_member()) {
        exceeds = !slots_->take_or_exceed();
    } else {
        slots_->take();
    }
    return {detail::pool_slot(slots_), exceeds};
}

void pool::admit(const any_fiber& made, bool exceeds) const {
    detail::fiber_access::core(made)->member_of = slots_.get();
    if (!exceeds) return;
    try {
        made.join();
    } catch (...) {
        detail::end_all(std::array{made});
        throw;
    }
}

}  // namespace tendril
