// interval.hpp - the same thing again and again, every so often.
//
//     interval beat("heartbeat", 1s, [&] { peer.send("ping"); });
//     ...
//     beat.stop();                         // or let it go out of scope
//
//     interval poll("poll", 1s, {.first_delay = 0s, .missed = missed_ticks::delay}, f);
//
// f() is called in a fiber of its own, on the hub of the thread that makes the
// interval, so it may park; one call is over before the next begins. Its times are
// multiples of the period, and do not drift by what the calls take. A call that takes
// longer than a period misses some, for which there are three rules, see missed_ticks.
//
// What f throws goes to the exception hook, and the interval goes on; greenlet_exit,
// thrown in or by f itself, ends it. As with any fiber, the context of its maker is
// copied, and a deadline of a scope around that ends it.
//
// Thread rule: the thread that makes it, in fibers.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <tendril/runtime/clock.hpp>
#include <tendril/runtime/detail/unique_function.hpp>
#include <tendril/runtime/fiber.hpp>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace tendril {

// What becomes of ticks that came while f was still at an earlier one.
enum class missed_ticks {
    skip,   // nothing: the next call is at the next multiple of the period
    burst,  // they are made up for at once, one after the other
    delay,  // nothing, and time is counted anew: a period after the end of the late
            // call
};

struct interval_options {
    std::optional<duration> first_delay{};  // before the first call; else one period
    missed_ticks missed = missed_ticks::skip;
};

class interval {
  public:
    using callback = detail::unique_function<void()>;

    // Does not park. `name` is the fiber's, for dumps and reports.
    // THROWS  fiber_error (bad_argument) for a period of zero, a negative duration, or
    //         a null callback; std::bad_alloc.
    template <class Rep, class Period>
    interval(std::string name,
             std::chrono::duration<Rep, Period> period,
             const interval_options& o,
             callback f)
        : interval(detail::checked_duration(period), std::move(name), o, std::move(f)) {
    }

    template <class Rep, class Period>
    interval(std::string name, std::chrono::duration<Rep, Period> period, callback f)
        : interval(std::move(name), period, interval_options{}, std::move(f)) {}

    interval(const interval&) = delete;
    interval& operator=(const interval&) = delete;

    // stop(), and nothing interrupts that.
    ~interval();

    // Ends it: f is not called any more. A call that is going on is killed where it
    // parks, and waited for; but if that is the caller itself, it goes on to its end.
    // Parks. Nothing if it has ended already.
    // THROWS  what is thrown into the caller; it ends all the same.
    void stop();

    // It has been stopped, or has ended by greenlet_exit or a deadline.
    bool done() const { return fiber_.done(); }

  private:
    // What the fiber has; it may outlive the interval, if f destroys that.
    struct ticking {
        duration period;
        missed_ticks missed;
        time_point due;
        std::string where;  // for reports
        callback f;
        bool stopped = false;

        void run();
        void call();
        time_point next(time_point now) const;
    };

    interval(duration period, std::string name, const interval_options& o, callback f);

    std::shared_ptr<ticking> ticking_;
    any_fiber fiber_;
};

}  // namespace tendril
