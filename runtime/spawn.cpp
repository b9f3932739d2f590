// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/detail/extras.hpp>
#include <tendril/runtime/spawn.hpp>

namespace tendril::detail {

void set_initial_name(fiber_core& core, const std::string& name) {
    try {
        extras_of(core).name = name;
    } catch (...) {
        release(core);
        throw;
    }
}

}  // namespace tendril::detail
