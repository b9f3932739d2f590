// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/detail/fork_guard.hpp>
#include <tendril/runtime/detail/scheduler.hpp>
#include <tendril/runtime/detail/signal_requests.hpp>

#include <atomic>
#include <cstdlib>
#include <memory>
#include <new>
#include <string_view>
#include <utility>
#include <vector>

#include <pthread.h>
#include <unistd.h>

namespace tendril::detail {
namespace {

std::atomic<bool> had_hub{false};

void in_child() {
    if (!had_hub.load()) return;
    in_forked_child.store(true);
    if (scheduler* const s = this_scheduler) {
        // Whoever leaves goes to the loop, which will not go on.
        s->budget = 0;
        this_scheduler = nullptr;
    }
    // Nobody is left who would serve them.
    stop_handling_signals();
}

// Not in a function: were another thread in it during the fork, the child would wait
// for that one to leave it.
[[maybe_unused]] const int watches_forks = pthread_atfork(nullptr, nullptr, in_child);

}  // namespace

void watch_forks() noexcept {
    had_hub.store(true);
}

void keep_for_parent(std::shared_ptr<void> it) noexcept {
    try {
        static auto& kept = *new std::vector<std::shared_ptr<void>>;
        kept.push_back(std::move(it));
    } catch (const std::bad_alloc&) {
        std::abort();
    }
}

void abort_in_child() noexcept {
    constexpr std::string_view text =
        "tendril: a fiber or callback went on to its end in the child of a fork, where "
        "there is no hub; call exec or _exit there\n";
    [[maybe_unused]] const ssize_t n = write(STDERR_FILENO, text.data(), text.size());
    std::abort();
}

}  // namespace tendril::detail
