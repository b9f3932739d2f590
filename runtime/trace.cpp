// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/detail/scheduler.hpp>
#include <tendril/runtime/trace.hpp>

#include <memory>
#include <utility>

namespace tendril {

tracer set_trace(tracer t) {
    detail::scheduler& s = detail::current_scheduler();
    const auto before =
        std::exchange(s.trace, t ? std::make_shared<tracer>(std::move(t)) : nullptr);
    s.errands = s.errands || s.trace;
    return before ? *before : tracer();
}

}  // namespace tendril
