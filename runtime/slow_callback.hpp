// slow_callback.hpp - a callback that kept its hub from everything else.
//
//     hub::current().set_slow_callback(100ms);
//
//     tendril: main::{lambda()#1} (given to the hub at server.cpp:31) took 0.104 s
//
// Told when it is over. One that does not end, and fibers, are for the watchdog.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <tendril/runtime/clock.hpp>
#include <tendril/runtime/detail/call_site.hpp>

#include <functional>
#include <string>

namespace tendril {

struct slow_callback {
    std::string name;  // of its type: "main::{lambda()#1}"
    call_site where;   // it was given to the hub; no line if that is not known
    duration took{};   // by the hub's clock
};

// Called on the hub's own stack; must not block. What it throws goes to the exception
// hook.
using slow_callback_hook = std::function<void(const slow_callback&)>;

namespace detail {

class callback;

// What set_slow_callback() has been given.
struct slow_callback_rule {
    duration limit;
    slow_callback_hook tell;
};

// `f` took this long. Tells of it if that is beyond the limit.
void tell_if_slow(const slow_callback_rule& rule,
                  const callback& f,
                  duration took) noexcept;

}  // namespace detail
}  // namespace tendril
