// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/detail/fork_guard.hpp>
#include <tendril/runtime/detail/scheduler.hpp>
#include <tendril/runtime/detail/signal_requests.hpp>

#include <cstdlib>
#include <string_view>

#include <pthread.h>
#include <unistd.h>

namespace tendril::detail {
namespace {

void in_child() {
    in_forked_child.store(true);
    if (scheduler* const s = this_scheduler) {
        // Whoever leaves goes to the loop, which will not go on.
        s->budget = 0;
        this_scheduler = nullptr;
    }
    // Nobody is left who would serve them.
    stop_handling_signals();
}

}  // namespace

void watch_forks() noexcept {
    [[maybe_unused]] static const int once = pthread_atfork(nullptr, nullptr, in_child);
}

void abort_in_child() noexcept {
    constexpr std::string_view text =
        "tendril: a fiber or callback went on to its end in the child of a fork, where "
        "there is no hub; call exec or _exit there\n";
    [[maybe_unused]] const ssize_t n = write(STDERR_FILENO, text.data(), text.size());
    std::abort();
}

}  // namespace tendril::detail
