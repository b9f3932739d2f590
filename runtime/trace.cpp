// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/detail/scheduler.hpp>
#include <tendril/runtime/trace.hpp>

#include <utility>

namespace tendril {

tracer set_trace(tracer t) {
    detail::scheduler& s = detail::current_scheduler();
    s.errands = s.errands || t;
    return std::exchange(s.trace, std::move(t));
}

}  // namespace tendril
