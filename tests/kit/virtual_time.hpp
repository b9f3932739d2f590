// virtual_time.hpp - a clock for tests: time stands still while anything can run, and
// jumps to the next deadline when this thread's hub is idle and no I/O is pending, nor
// work in a thread pool that a fiber waits for. While there is, real time passes, since
// nobody can know how long it will take.
//
//     virtual_time time;
//     sleep(24h);                       // returns at once
//     CHECK(time.passed() == 24h);
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <tendril/runtime/clock.hpp>
#include <tendril/runtime/hub.hpp>

#include <algorithm>

namespace tendril::test {

// Lives on the thread whose hub it drives, made before the timers it is to rule.
class virtual_time final : detail::time_source {
  public:
    virtual_time()
        : begin_(hub::current().now()),
          now_(begin_),
          before_(hub_internals::set_time_source(hub::current(), this)) {}

    virtual_time(const virtual_time&) = delete;
    virtual_time& operator=(const virtual_time&) = delete;

    ~virtual_time() override {
        hub_internals::set_time_source(hub::current(), before_);
    }

    duration passed() const noexcept { return now_ - begin_; }

  private:
    time_point now() noexcept override { return now_; }

    bool jump(time_point deadline) noexcept override {
        now_ = std::max(now_, deadline);
        return true;
    }

    void slept(duration real) noexcept override { now_ += real; }

    time_point begin_;
    time_point now_;
    detail::time_source* before_;  // that of who made this one inside its own
};

}  // namespace tendril::test
