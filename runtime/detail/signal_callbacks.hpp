// signal_callbacks.hpp - what one hub calls when signals come, and the process's table
// of which hub that is.
//
// A handler notes its signal there and asks all hubs to look (signal_requests.hpp).
// Whoever was given the signal last calls, once for all of its kind that have come
// since.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <map>
#include <memory>

#include <signal.h>

namespace tendril::detail {

struct scheduler;
struct standing_callback;

// Used on its hub's thread only.
class signal_callbacks {
  public:
    explicit signal_callbacks(scheduler& home) noexcept : home_(home) {}

    signal_callbacks(const signal_callbacks&) = delete;
    signal_callbacks& operator=(const signal_callbacks&) = delete;

    ~signal_callbacks() { remove_all(); }

    // THROWS  fiber_error (bad_argument) if it is no signal that can be handled;
    //         std::bad_alloc.
    void set(int signal, std::shared_ptr<standing_callback> call);

    // False if there was none, or another hub has the signal now.
    bool remove(int signal) noexcept;

    void remove_all() noexcept;

    // Also of those that another hub has by now.
    bool empty() const noexcept { return calls_.empty(); }

    // A signal may still come.
    bool waiting() const noexcept;

    // On the hub's own stack.
    void serve() noexcept;

  private:
    scheduler& home_;
    std::map<int, std::shared_ptr<standing_callback>> calls_;
};

// Gives all signals back, without a lock: for the child of a fork.
void forget_signal_callbacks() noexcept;

// `handler`, which has been in force beneath the callbacks for `signal`, goes: `with`
// is what they are to give back instead.
void take_from_beneath(int signal,
                       void (*handler)(int),
                       const struct sigaction& with) noexcept;

}  // namespace tendril::detail
