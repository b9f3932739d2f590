// SPDX-License-Identifier: BSL-1.0
#include <tendril/sync/fiber_pool.hpp>

#include <mutex>
#include <string>

namespace tendril {

fiber_pool::fiber_pool(std::ptrdiff_t workers) {
    if (workers < 1) {
        detail::fail(errc::bad_argument, "a fiber_pool was made for " +
                                             std::to_string(workers) +
                                             " tasks at a time");
    }
    open_ = std::make_shared<tasks>(workers);
    over_ = open_->over.get_future();
}

void fiber_pool::start() {
    if (!held()) detail::fail(errc::closed, "a closed fiber_pool was started");
    if (thread_) detail::fail(errc::not_startable, "a fiber_pool was started twice");
    thread_.emplace(hub_thread_options{.name = "fiber_pool"});
}

std::shared_ptr<fiber_pool::tasks> fiber_pool::held() const noexcept {
    const std::lock_guard held(lock_);
    return open_;
}

std::shared_ptr<fiber_pool::tasks> fiber_pool::hold() const {
    auto all = held();
    if (!all) detail::fail(errc::closed, "a closed fiber_pool was given work");
    if (!thread_) {
        detail::fail(errc::not_startable,
                     "a fiber_pool was given work before it was started");
    }
    return all;
}

bool fiber_pool::close(time_point deadline) {
    if (thread_ && thread_->is_current()) {
        detail::fail(errc::bad_argument, "a task would close the fiber_pool it is of");
    }
    std::shared_ptr<tasks> mine;
    {
        const std::lock_guard held(lock_);
        mine.swap(open_);
    }
    mine = nullptr;
    if (!thread_) return true;
    // Over without the tasks, if one of them has stopped the hub.
    const bool all = thread_->done() || over_.join(deadline);
    thread_->stop();
    thread_->join();
    return all;
}

}  // namespace tendril
