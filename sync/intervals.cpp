// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/error.hpp>
#include <tendril/sync/intervals.hpp>

namespace tendril {

intervals::~intervals() {
    ending_ = true;
    // One by one: those that are still there may stop each other meanwhile.
    while (!by_name_.empty()) by_name_.extract(by_name_.begin());
}

void intervals::add(const std::string& name,
                    duration period,
                    const interval_options& o,
                    interval::callback f) {
    if (ending_) {
        detail::fail(errc::closed, "interval '" + name +
                                       "' was scheduled where all are being stopped");
    }
    const auto [at, is_new] = by_name_.try_emplace(name, name, period, o, std::move(f));
    if (!is_new) {
        detail::fail(errc::already_set, "duplicate interval with name '" + name + "'");
    }
}

bool intervals::stop(const std::string& name) {
    // Out of the map first: others may look into it meanwhile.
    auto found = by_name_.extract(name);
    if (found.empty()) return false;
    found.mapped().stop();
    return true;
}

}  // namespace tendril
