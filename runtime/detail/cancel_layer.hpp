// cancel_layer.hpp - the scopes and shields that a fiber is inside of, innermost first.
//
// Each is in a frame of the fiber, below the next one. A cancelled layer makes every
// park of the fiber throw, unless there is a shield between the two. What that comes to
// is kept in fiber_core::cancel_due, which park() looks at.
//
// Thread rule: the fiber's own thread; `called` is for everybody.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <tendril/runtime/clock.hpp>
#include <tendril/runtime/detail/fiber_core.hpp>
#include <tendril/runtime/timer_queue.hpp>

#include <atomic>

namespace tendril::detail {

struct cancel_layer : timer_node {
    explicit cancel_layer(bool is_shield) noexcept;
    cancel_layer(const cancel_layer&) = delete;
    cancel_layer& operator=(const cancel_layer&) = delete;
    ~cancel_layer() = default;

    cancel_layer* outer = nullptr;
    // The fiber that is inside; null before and after. Changed by that one alone, under
    // the lock, so that others who hold it know that the fiber is there. Set before
    // that looks at `called`, and looked at after that is set, so that a cancel from
    // another thread is seen by one of the two.
    fiber_core* fiber = nullptr;
    spin_lock fiber_lock;
    std::atomic<bool> called{false};
    const bool is_shield;
    bool entered = false;  // now or before
    time_point deadline = never;
};

// The current fiber goes in, and out again.
// THROWS  fiber_error: in_hub, already_set for a layer that has been entered before;
//         std::bad_alloc.
void enter(cancel_layer& layer);
// Out of order, or by another fiber, it goes out all the same, and the exception hook
// is told; by another thread that cannot be, and is std::terminate.
void leave(cancel_layer& layer) noexcept;

// Takes `core` out of whatever it is inside of.
void forget_scopes(fiber_core& core) noexcept;

// The same for one that is over. The exception hook is told, if it was its own end.
void end_scopes(fiber_core& core) noexcept;

// Misuse of `scope`, one of `owner`, which no destructor can throw: tells the exception
// hook that it was left out of order, or by another fiber.
void tell_not_nested(const char* scope, const fiber_core& owner) noexcept;

// The same, where to go on would be to write to what is gone.
[[noreturn]] void die_not_nested(const char* sentence) noexcept;

// Makes it the outermost layer of `core`, which has not started.
// THROWS  std::bad_alloc.
void enter_first(fiber_core& core, cancel_layer& layer);

// Cancels it. Any thread, as long as the layer is there.
void cancel(cancel_layer& layer);

// Moves the deadline of a layer that has been entered, on the fiber's own thread.
void move_deadline(cancel_layer& layer, time_point deadline);

// The outermost cancelled layer that no shield hides from the fiber; null if none.
const cancel_layer* visible_cancel(const fiber_core& core) noexcept;

// The earliest deadline that no shield hides.
time_point effective_deadline(const fiber_core& core) noexcept;

// A deadline that a fiber has from its parent: cancels all of it.
struct inherited_deadline final : cancel_layer {
    inherited_deadline(fiber_core& core, time_point when);
    inherited_deadline(const inherited_deadline&) = delete;
    inherited_deadline& operator=(const inherited_deadline&) = delete;
    ~inherited_deadline();
};

// Gives it to `core`, unstarted, which the caller alone holds.
// THROWS  std::bad_alloc, and `core` is gone then.
void inherit_deadline(fiber_core& core);

// REQUIRES  cancel_due.
[[noreturn]] void throw_cancelled(fiber_core& self);

}  // namespace tendril::detail
