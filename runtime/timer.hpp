// timer.hpp - a handle to a callback that a hub will run. Dropping it cancels nothing.
//
//     timer t = hub::current().call_later(1s, [] { std::puts("late"); });
//     t.cancel();                           // true: it will not run
//
// Thread rule: use it on the thread whose hub made it.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <memory>

namespace tendril {

class hub;

namespace detail {

struct scheduled_call;

struct scheduled_call_deleter {
    void operator()(scheduled_call* call) const noexcept;
};

}  // namespace detail

class timer {
  public:
    timer() noexcept = default;
    timer(const timer& other) noexcept;
    timer(timer&& other) noexcept = default;
    timer& operator=(timer other) noexcept;
    ~timer() = default;

    // The callback has neither run nor been cancelled.
    bool pending() const noexcept;

    // True if this is what keeps the callback from running; false if it has run, is
    // running, or was cancelled before.
    bool cancel() noexcept;

  private:
    friend class hub;

    explicit timer(detail::scheduled_call* call) noexcept : call_(call) {}

    std::unique_ptr<detail::scheduled_call, detail::scheduled_call_deleter> call_;
};

}  // namespace tendril
