// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/detail/scheduler.hpp>
#include <tendril/runtime/error.hpp>
#include <tendril/runtime/hub.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/timer_queue.hpp>

#include <string>

namespace tendril {
namespace {

struct sleeper final : detail::waiter, detail::timer_node {
    sleeper() : waiter(wake_up_early, "sleep") {
        fire = [](detail::timer_node& t) { detail::wake(static_cast<sleeper&>(t)); };
    }

    // A timer that has fired has called wake() already.
    static bool wake_up_early(detail::waiter& w) noexcept {
        auto& self = static_cast<sleeper&>(w);
        if (self.endless) return true;
        if (!self.armed()) return false;
        hub_internals::timers(w.fiber.home->owner).disarm(self);
        return true;
    }

    bool endless = false;
};

void sleep_past(time_point when) {
    sleeper s;
    s.endless = when == never;
    if (!s.endless) hub_internals::timers(s.fiber.home->owner).arm(s, when);
    detail::park(s);
}

}  // namespace

void sleep_until(time_point when) {
    if (when <= hub::current().now()) return detail::yield_now();
    sleep_past(when);
}

namespace detail {

void sleep_for(duration d) {
    if (d == duration::zero()) return yield_now();
    sleep_past(after(hub::current().now(), d));
}

void fail_duration(const char* what) {
    fail(errc::bad_argument, std::string("a duration was given that ") + what);
}

}  // namespace detail
}  // namespace tendril
