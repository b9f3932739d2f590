// home_thread.hpp - for what is used on one thread only: which that is.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <tendril/runtime/detail/scheduler.hpp>
#include <tendril/runtime/error.hpp>

#include <string>

namespace tendril::detail {

class home_thread {
  public:
    // THROWS  fiber_error (wrong_thread) on another thread than the one that made it.
    // `what` is for the sentence: "a pile".
    void require(const char* what) const {
        if (home_ == this_scheduler) [[likely]]
            return;
        fail(errc::wrong_thread,
             std::string(what) + " was used on another thread than its own");
    }

  private:
    const scheduler* home_ = &current_scheduler();
};

}  // namespace tendril::detail
