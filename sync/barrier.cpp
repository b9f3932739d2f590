// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/error.hpp>
#include <tendril/sync/barrier.hpp>
#include <tendril/sync/detail/checked_size.hpp>

#include <utility>

namespace tendril {

// In line, and in the round once it has been taken out.
struct barrier::arrived final : wait_queue::place {
    // A round that is complete has been passed, whatever comes then.
    arrived() : place("barrier", true) {}

    std::size_t number = 0;
    bool in_vain = false;
};

barrier::barrier(std::size_t parties, std::function<void()> completion)
    : parties_(detail::checked_size(parties, "the parties of a barrier")),
      completion_(std::move(completion)) {
    if (parties == 0) {
        detail::fail(errc::bad_argument, "a barrier needs one party at least");
    }
}

std::optional<std::size_t> barrier::arrive_until(time_point deadline) {
    auto held = wait_queue::hold_to_wait(lock_);
    if (broken_) {
        held.unlock();
        fail_broken();
    }
    if (line_.size() + 1 >= parties_) {
        const std::size_t last = line_.size();
        complete(held);
        return last;
    }
    arrived here;
    if (!line_.wait(held, here, deadline)) return std::nullopt;
    if (here.in_vain) fail_broken();
    return here.number;
}

void barrier::drop() {
    auto held = wait_queue::hold_to_wait(lock_);
    if (parties_ == 1) {
        held.unlock();
        detail::fail(errc::bad_argument, "the last party of a barrier cannot drop out");
    }
    --parties_;
    if (line_.size() >= parties_) complete(held);
}

// The round is over for those in line from here on, though they are woken only after
// the completion.
void barrier::complete(std::unique_lock<wait_queue::lock>& held) {
    wait_queue::taken woken;
    std::size_t number = 0;
    while (!line_.empty()) {
        auto& next = static_cast<arrived&>(line_.take_first());
        next.number = number++;
        woken.add(next);
    }
    held.unlock();
    if (completion_) completion_();
}

void barrier::reset() noexcept {
    end_round(false);
}

void barrier::abort() noexcept {
    end_round(true);
}

void barrier::end_round(bool broken) noexcept {
    wait_queue::taken woken;
    const std::lock_guard held(lock_);
    broken_ = broken;
    while (!line_.empty()) {
        auto& next = static_cast<arrived&>(line_.take_first());
        next.in_vain = true;
        woken.add(next);
    }
}

void barrier::fail_broken() {
    detail::fail(errc::broken, "a barrier was reset or aborted before all had arrived");
}

bool barrier::broken() const noexcept {
    const std::lock_guard held(lock_);
    return broken_;
}

std::size_t barrier::parties() const noexcept {
    const std::lock_guard held(lock_);
    return parties_;
}

std::size_t barrier::waiting() const noexcept {
    const std::lock_guard held(lock_);
    return line_.size();
}

}  // namespace tendril
