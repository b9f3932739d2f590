// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/cancel.hpp>
#include <tendril/runtime/detail/fork_guard.hpp>
#include <tendril/runtime/error.hpp>
#include <tendril/runtime/hub.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>
#include <tendril/sync/interval.hpp>

#include <exception>

namespace tendril {

interval::interval(duration period,
                   std::string name,
                   const interval_options& o,
                   callback f) {
    if (period == duration::zero()) {
        detail::fail(errc::bad_argument,
                     "interval '" + name + "' has a period of zero");
    }
    if (!f) {
        detail::fail(errc::bad_argument,
                     "interval '" + name + "' was given nothing to call");
    }
    const duration delay = detail::checked_duration(o.first_delay.value_or(period));
    ticking_ = std::make_shared<ticking>();
    ticking_->period = period;
    ticking_->missed = o.missed;
    ticking_->due = detail::after(hub::current().now(), delay);
    ticking_->where = "interval '" + name + "'";
    ticking_->f = std::move(f);
    fiber_ = spawn_n({.name = std::move(name), .where = {}},
                     [its = ticking_] { its->run(); });
}

interval::~interval() {
    // The fiber is the parent's.
    if (detail::in_forked_child) return;
    const uninterrupted here;
    stop();
}

void interval::stop() {
    ticking_->stopped = true;
    if (fiber_ == current()) return;
    fiber_.kill();
    fiber_.join();
}

void interval::ticking::run() {
    while (!stopped) {
        sleep_until(due);
        call();
        due = next(hub::current().now());
    }
}

void interval::ticking::call() {
    try {
        f();
    } catch (const greenlet_exit&) {
        throw;
    } catch (const cancelled&) {
        throw;
    } catch (...) {
        detail::report(std::current_exception(), where);
    }
}

time_point interval::ticking::next(time_point now) const {
    const time_point following = detail::after(due, period);
    if (now <= following || missed == missed_ticks::burst) return following;
    if (missed == missed_ticks::delay) return detail::after(now, period);
    const duration past = (now - following) % period;
    return past == duration::zero() ? now : detail::after(now, period - past);
}

}  // namespace tendril
