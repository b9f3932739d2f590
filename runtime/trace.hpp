// trace.hpp - a callback at every switch of this thread; greenlet's settrace.
//
//     tendril::set_trace([](trace_event e, std::uint64_t from, std::uint64_t to) {
//         std::printf("%s %lu -> %lu\n", e == trace_event::thrown ? "throw" : "switch",
//                     from, to);
//     });
//
// It runs on the stack arrived at, before anything else there, and may itself switch
// greenlets. If it throws, it is taken out, and its exception is thrown in the greenlet
// it ran in (by raw switches) or reported to the exception hook (by the hub's).
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstdint>
#include <functional>

namespace tendril {

enum class trace_event {
    switched,  // with a value, or nothing
    thrown,    // with an exception for the target
};

// Ids are those of fiber::id() and greenlet::id(); the hub's own loop has one too.
using tracer = std::function<void(trace_event, std::uint64_t from, std::uint64_t to)>;

// Installs `t` for this thread (an empty one: none) and returns the one before.
tracer set_trace(tracer t);

}  // namespace tendril
