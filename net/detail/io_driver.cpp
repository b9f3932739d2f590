// SPDX-License-Identifier: BSL-1.0
#include <tendril/net/detail/io_driver.hpp>
#include <tendril/runtime/hub.hpp>

namespace tendril::detail {

std::mutex io_driver::ends;

io_driver& current_io_driver() {
    hub& h = hub::current();
    // Only drivers that know descriptors are worth polling, and only net makes those.
    if (!hub_internals::driver(h).worth_polling()) {
        hub_internals::set_driver(h, make_io_driver(hub_internals::bell(h)));
    }
    return static_cast<io_driver&>(hub_internals::driver(h));
}

}  // namespace tendril::detail
