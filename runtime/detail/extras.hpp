// extras.hpp - what only some fibers have, kept out of the control block's page.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <tendril/runtime/detail/cancel_layer.hpp>
#include <tendril/runtime/detail/fiber_core.hpp>
#include <tendril/runtime/detail/unique_function.hpp>
#include <tendril/runtime/timer_queue.hpp>

#include <cstdint>
#include <exception>
#include <list>
#include <memory>
#include <string>
#include <vector>

namespace tendril::detail {

struct link_entry {
    std::uint64_t id;
    unique_function<void()> call;
};

// One value of a fiber_local, destroyed when its fiber ends.
struct local_value {
    void* value = nullptr;
    void (*drop)(void*) noexcept = nullptr;
};

// Of spawn_after: armed until the fiber is put into the ready queue.
struct start_timer final : timer_node {
    fiber_core* core = nullptr;
    fiber_core* creator = nullptr;  // spawn_after_local: held, must not have ended
};

struct fiber_extras {
    std::string name;
    std::list<link_entry> links;  // in the order they were made
    bool calling_links = false;
    std::vector<local_value> locals;  // by slot number of the fiber_local
    std::unique_ptr<start_timer> delayed;
    // The kill that was thrown into it last, until its fate is known (swallowed.hpp).
    std::exception_ptr thrown_in;
    // Until it has ended. Its end looks at what is above.
    std::unique_ptr<inherited_deadline> limit;
};

inline fiber_extras& extras_of(fiber_core& core) {
    if (!core.extras) core.extras = new fiber_extras;
    return *core.extras;
}

// Destroys the fiber's local values, newest slot first, on the fiber's own stack.
void drop_locals(fiber_core& core) noexcept;

}  // namespace tendril::detail
