// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/detail/cancel_layer.hpp>
#include <tendril/runtime/detail/fork_guard.hpp>
#include <tendril/runtime/detail/scheduler.hpp>
#include <tendril/runtime/hub.hpp>
#include <tendril/runtime/park.hpp>
#include <tendril/runtime/timeout.hpp>

#include <utility>

namespace tendril {

timeout::timeout(checked limit, std::exception_ptr error)
    : fiber_(detail::current_scheduler().current), error_(std::move(error)) {
    if (fiber_->home->on_loop()) {
        detail::fail(errc::in_hub,
                     "a timeout scope in a hub callback, which never waits");
    }
    depth = fiber_->shields;
    fire = [](detail::timer_node& t) {
        auto& self = static_cast<timeout&>(t);
        self.expired_ = true;
        self.fiber_->home->interrupt_fiber(*self.fiber_, self);
    };
    raise = [](detail::interrupt& i) {
        auto& self = static_cast<timeout&>(i);
        if (self.error_) std::rethrow_exception(self.error_);
        throw timed_out(self);
    };
    hub& h = fiber_->home->owner;
    const time_point deadline = detail::after(h.now(), limit.value);
    if (deadline != never) hub_internals::timers(h).arm(*this, deadline);
    ++fiber_->limits;
}

timeout::~timeout() {
    const detail::scheduler* const s = fiber_->home;
    if (s != detail::this_scheduler && !detail::in_forked_child) {
        detail::die_not_nested("a timeout was destroyed on another thread");
    }
    cancel();
    const bool over = fiber_->done.load(std::memory_order_relaxed);
    if (s->current != fiber_ && !over) [[unlikely]] {
        detail::tell_not_nested("a timeout", *fiber_);
        if (linked()) {
            detail::die_not_nested("a timeout was destroyed as it was to be thrown");
        }
    }
    --fiber_->limits;
    if (over && fiber_->limits == 0) detail::release(*fiber_);
}

void timeout::cancel() noexcept {
    hub_internals::timers(fiber_->home->owner).disarm(*this);
    detail::withdraw(*fiber_, *this);
}

}  // namespace tendril
