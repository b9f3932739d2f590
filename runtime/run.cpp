// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/cancel.hpp>
#include <tendril/runtime/deadlock.hpp>
#include <tendril/runtime/detail/scheduler.hpp>
#include <tendril/runtime/park.hpp>
#include <tendril/runtime/run.hpp>

#include <exception>
#include <new>
#include <optional>
#include <utility>
#include <vector>

namespace tendril::detail {
namespace {

// Keeps the first exception that is thrown into the caller of run() while it cannot
// leave.
class postponed {
  public:
    // And passes on each as a kill of `f`.
    void kill(const any_fiber& f) {
        for (bool again = true; std::exchange(again, false);) {
            try {
                f.kill();  // which yields
            } catch (...) {
                keep();
                again = true;
            }
        }
    }

    // Waits until the fibers that ended since `begin` are gone altogether.
    void see_off(std::uint64_t begin) {
        for (bool gone = false; !gone;) {
            try {
                gone = this_scheduler->wait_for_departures(begin, never);
            } catch (...) {
                keep();
            }
        }
    }

    // Waits for the end of `f`; whatever is thrown in meanwhile kills it.
    void join(const any_fiber& f) {
        while (!f.done()) {
            try {
                f.join();
            } catch (...) {
                keep();
                kill(f);
            }
        }
    }

    void rethrow() const {
        if (first_) std::rethrow_exception(first_);
    }

  private:
    void keep() {
        forget_thrown();
        if (!first_) first_ = std::current_exception();
        // These two are not thrown once, but at every wait from here on.
        try {
            throw;
        } catch (const cancelled&) {
            if (!quiet_) quiet_.emplace();
        } catch (const deadlock&) {
            if (!quiet_) quiet_.emplace();
        } catch (...) {
            // May come again, and is then passed on again.
        }
    }

    std::exception_ptr first_;
    std::optional<uninterrupted> quiet_;
};

bool is_left_over(const fiber_core& core, std::uint64_t begin) {
    const bool idle_greenlet = core.kind == fiber_kind::greenlet && !core.started;
    return core.id >= begin && !idle_greenlet && &core != this_scheduler->current;
}

std::vector<any_fiber> living_since(std::uint64_t begin) {
    std::vector<any_fiber> found;
    this_scheduler->living.for_each([&](fiber_core& core) {
        if (!is_left_over(core, begin)) return;
        retain(core);
        found.push_back(fiber_access::handle<void>(core));
    });
    return found;
}

any_fiber first_living_since(std::uint64_t begin) {
    fiber_core* const found = this_scheduler->living.find(
        [=](const fiber_core& core) { return is_left_over(core, begin); });
    if (found == nullptr) return {};
    retain(*found);
    return fiber_access::handle<void>(*found);
}

}  // namespace

void finish_run(const any_fiber& first, std::uint64_t begin) {
    postponed thrown_in;
    thrown_in.join(first);
    thrown_in.see_off(begin);
    // What is left over may spawn more while it cleans up.
    while (first_living_since(begin)) {
        try {
            auto left = living_since(begin);
            for (const any_fiber& f : left) thrown_in.kill(f);
            for (const any_fiber& f : left) thrown_in.join(f);
        } catch (const std::bad_alloc&) {
            // One by one, then; that takes no memory.
            const any_fiber next = first_living_since(begin);
            thrown_in.kill(next);
            thrown_in.join(next);
        }
        thrown_in.see_off(begin);
    }
    thrown_in.rethrow();
}

}  // namespace tendril::detail
