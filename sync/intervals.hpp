// intervals.hpp - periodic calls that are known by their names.
//
//     intervals timers;
//     timers.schedule("first", 1s, 1s, [] { std::puts("tick"); });
//     ...
//     timers.stop("first");                // the rest when it goes out of scope
//
// Each is an interval, see there. Thread rule: the same.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <tendril/runtime/clock.hpp>
#include <tendril/sync/interval.hpp>

#include <chrono>
#include <cstddef>
#include <map>
#include <string>
#include <utility>

namespace tendril {

class intervals {
  public:
    intervals() = default;
    intervals(const intervals&) = delete;
    intervals& operator=(const intervals&) = delete;
    // Stops all of them. Parks, and what still runs meanwhile can schedule no more.
    ~intervals();

    // Calls f() once `first_delay` has passed, and then every `period`, until stop().
    // Does not park.
    // THROWS  as interval; fiber_error: already_set if there is one of that name,
    // closed
    //         in the destructor.
    template <class Rep, class Period, class Rep2, class Period2>
    void schedule(const std::string& name,
                  std::chrono::duration<Rep, Period> first_delay,
                  std::chrono::duration<Rep2, Period2> period,
                  interval::callback f,
                  missed_ticks missed = missed_ticks::skip) {
        add(name, detail::checked_duration(period),
            {.first_delay = detail::checked_duration(first_delay), .missed = missed},
            std::move(f));
    }

    // As interval::stop(); the name is free then. False if there is none of that name.
    // Parks. THROWS  as that.
    bool stop(const std::string& name);

    // Also of those that have ended by themselves.
    std::size_t size() const noexcept { return by_name_.size(); }

  private:
    void add(const std::string& name,
             duration period,
             const interval_options& o,
             interval::callback f);

    std::map<std::string, interval> by_name_;
    bool ending_ = false;
};

}  // namespace tendril
