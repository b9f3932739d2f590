// SPDX-License-Identifier: BSL-1.0
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
    cancel();
    --fiber_->limits;
}

void timeout::cancel() noexcept {
    hub_internals::timers(fiber_->home->owner).disarm(*this);
    detail::withdraw(*fiber_, *this);
}

}  // namespace tendril
