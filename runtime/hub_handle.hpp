// hub_handle.hpp - a hub seen from other threads.
//
//     const hub_handle home = hub::current().handle();
//     std::thread([home] { home.post([] { std::puts("back home"); }); }).detach();
//
// Safe to keep and use when the hub's thread has ended, which a hub& is not. Copies are
// the same hub.
//
// Thread rule: all of it on any thread.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <tendril/runtime/detail/callback.hpp>
#include <tendril/runtime/detail/fiber_core.hpp>

namespace tendril {

class hub;

class hub_handle {
  public:
    using callback = detail::callback;

    // Runs `f` on the hub's thread, on its own stack, in the order posted. One
    // allocation, one compare-and-swap, and one system call only if the hub is asleep.
    // THROWS  fiber_error: thread_exited once the thread has ended; bad_argument for a
    //         null callback.
    void post(callback f) const;

    // hub::stop() there.
    // THROWS  fiber_error (thread_exited).
    void stop() const;

    hub_handle(const hub_handle& other) noexcept;
    hub_handle& operator=(hub_handle other) noexcept;
    ~hub_handle();

  private:
    friend class hub;
    explicit hub_handle(detail::fiber_core& main) noexcept;

    detail::fiber_core* main_;  // held, and the hub's memory with it
};

}  // namespace tendril
