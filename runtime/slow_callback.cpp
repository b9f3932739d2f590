// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/detail/callback.hpp>
#include <tendril/runtime/detail/scheduler.hpp>
#include <tendril/runtime/error.hpp>
#include <tendril/runtime/hub.hpp>
#include <tendril/runtime/slow_callback.hpp>

#include <chrono>
#include <cstdio>
#include <exception>
#include <memory>
#include <string>
#include <utility>

namespace tendril {
namespace {

void print(const slow_callback& slow) {
    std::string text = "tendril: " + slow.name;
    if (slow.where.line != 0) {
        text += std::string(" (given to the hub at ") + slow.where.file + ":" +
                std::to_string(slow.where.line) + ")";
    }
    char seconds[32];
    std::snprintf(seconds, sizeof seconds, "%.3f",
                  std::chrono::duration<double>(slow.took).count());
    text += std::string(" took ") + seconds + " s\n";
    std::fputs(text.c_str(), stderr);
}

}  // namespace

void detail::tell_if_slow(const slow_callback_rule& rule,
                          const callback& f,
                          duration took) noexcept {
    if (took <= rule.limit) return;
    try {
        rule.tell({type_name(f.type()), f.where(), took});
    } catch (...) {
        report(std::current_exception(), "a hook for slow callbacks");
    }
}

void hub::set_slow_callback(duration limit, slow_callback_hook tell) {
    require_own_thread("hub::set_slow_callback");
    const duration checked = detail::checked_duration(limit);
    scheduler_.slow_callbacks =
        checked == forever
            ? nullptr
            : std::make_shared<const detail::slow_callback_rule>(
                  detail::slow_callback_rule{checked, tell ? std::move(tell) : print});
}

}  // namespace tendril
