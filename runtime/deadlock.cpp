// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/deadlock.hpp>
#include <tendril/runtime/detail/quiet_threads.hpp>
#include <tendril/runtime/detail/scheduler.hpp>
#include <tendril/runtime/detail/signal_callbacks.hpp>
#include <tendril/runtime/detail/signal_requests.hpp>
#include <tendril/runtime/detail/thread_status.hpp>
#include <tendril/runtime/dump.hpp>
#include <tendril/runtime/error.hpp>
#include <tendril/runtime/fiber.hpp>
#include <tendril/runtime/hub.hpp>

#include <cstddef>
#include <sstream>
#include <string>
#include <utility>

namespace tendril {
namespace {

// The only one that could do anything. Asked twice, since another thread may have given
// a quiet one something to do, and ended, in between.
bool only_thread() noexcept {
    const int quiet = detail::quiet_threads.load();
    if (detail::thread_count() != 1 + static_cast<std::size_t>(quiet)) return false;
    bool called = false;
    hub_internals::for_each_hub([&](hub& h) {
        called = called ||
                 (hub_internals::quiet(h).is_up() && hub_internals::has_letters(h));
    });
    return !called && detail::quiet_threads.load() == quiet;
}

std::string what_is_wrong() {
    std::ostringstream text;
    text
        << "no fiber can ever go on: each waits, for nothing that could still happen\n";
    dump_fibers(text);
    return text.str();
}

}  // namespace

bool hub_internals::only_waits(hub& h) noexcept {
    const detail::scheduler& s = h.scheduler_;
    return s.living_count == 0 && s.departing.empty() && s.ready.empty() &&
           h.timers_.empty() && !h.waits_for_io() &&
           (h.signals_ == nullptr || !h.signals_->waiting());
}

bool hub_internals::tell_of_deadlock(hub& h) noexcept {
    detail::fiber_core& main = h.scheduler_.main;
    const bool away = main.state == detail::fiber_state::parked;
    if (!away || h.forever_ != nullptr || h.scheduler_.ending || !only_thread()) {
        return false;
    }
    // The last of the other threads may have posted something before it ended.
    if (!h.mail_.empty() || h.requests_seen_ != detail::signal_requests.load()) {
        return true;
    }
    // Told before, and it is of no use: until something has happened, that is all.
    if (std::exchange(h.told_of_deadlock_, true)) return false;
    try {
        const auto error = std::make_exception_ptr(deadlock(what_is_wrong()));
        if (main.interrupts.empty() && !main.exit_due) {
            if (detail::kill_here(main, error)) return true;
            // It would come when it may not be true any more.
            detail::drop_interrupts(main);
        }
        detail::report(error, "main cannot be told");
    } catch (const std::bad_alloc&) {
        detail::report(std::current_exception(), "a deadlock");
    }
    // The hook may have changed something.
    return true;
}

}  // namespace tendril
