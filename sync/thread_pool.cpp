// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/cancel.hpp>
#include <tendril/runtime/detail/fork_guard.hpp>
#include <tendril/runtime/error.hpp>
#include <tendril/sync/detail/pool_state.hpp>
#include <tendril/sync/thread_pool.hpp>

#include <algorithm>
#include <string>
#include <thread>
#include <utility>

namespace tendril {

std::ptrdiff_t thread_pool_options::default_threads() {
    return std::min<std::ptrdiff_t>(32, std::thread::hardware_concurrency() + 4);
}

thread_pool::thread_pool(thread_pool_options options)
    : state_(std::make_shared<detail::pool_state>(std::move(options))) {}

thread_pool::~thread_pool() {
    if (detail::in_forked_child) {
        // The threads are the parent's; what they hold stays as it is.
        detail::keep_for_parent(std::move(state_));
    } else if (detail::pool_state::own() == state_.get()) {
        state_->abandon();
    } else if (detail::current_scheduler().on_loop()) {
        state_->close_and_block();
    } else {
        const uninterrupted here;
        state_->close(never);
    }
}

bool thread_pool::close(time_point deadline) {
    if (detail::current_scheduler().on_loop()) {
        detail::fail_in_hub("thread_pool::close");
    }
    // Held: when it is woken, this may be gone.
    const auto state = state_;
    return state->close(deadline);
}

std::size_t thread_pool::threads() const noexcept {
    return state_->threads();
}

std::size_t thread_pool::queued() const noexcept {
    return state_->queued();
}

bool thread_pool::on_worker() noexcept {
    return detail::pool_state::own() != nullptr;
}

void detail::fail_null_work() {
    fail(errc::bad_argument, "a thread pool was given nothing to call");
}

void thread_pool::put(const std::shared_ptr<detail::pool_work>& work) {
    let_cancel(work);
    const auto state = state_;
    state->put(work, true);
}

bool thread_pool::try_put(const std::shared_ptr<detail::pool_work>& work) {
    let_cancel(work);
    return state_->put(work, false);
}

// Weak, since the work holds its future's state; and the pool may go first.
void thread_pool::let_cancel(const std::shared_ptr<detail::pool_work>& work) const {
    work->outcome->set_canceller(
        [pool = std::weak_ptr(state_), work = std::weak_ptr(work)] {
            const auto p = pool.lock();
            const auto w = work.lock();
            return p && w && p->cancel(*w);
        });
}

thread_pool& detail::default_thread_pool() {
    static auto* const pool = new thread_pool;
    return *pool;
}

}  // namespace tendril
