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
    end_ = std::make_shared<ending>();
    open_ = std::make_shared<tasks>(workers, end_);
}

void fiber_pool::start() {
    if (!held()) detail::fail(errc::closed, "a closed fiber_pool was started");
    if (thread_) detail::fail(errc::not_startable, "a fiber_pool was started twice");
    thread_.emplace(hub_thread_options{.name = "fiber_pool",
                                       .at_end = [end = end_] { end->come(); }});
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
    const detail::scheduler* const s = detail::this_scheduler;
    if (s != nullptr && s->on_loop()) detail::fail_in_hub("fiber_pool::close");
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
    end_->over.wait_until(deadline);
    thread_->stop();
    thread_->join();
    return end_->all_done;
}

}  // namespace tendril
