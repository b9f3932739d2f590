// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/detail/backtrace.hpp>
#include <tendril/runtime/detail/native_locks.hpp>
#include <tendril/runtime/detail/scheduler.hpp>
#include <tendril/runtime/detail/spin_lock.hpp>
#include <tendril/runtime/error.hpp>
#include <tendril/runtime/lock_check.hpp>

#include <exception>
#include <mutex>
#include <new>
#include <set>
#include <sstream>
#include <string>
#include <tuple>

namespace tendril {
namespace detail {
namespace {

bool is_news(void* place, const call_site& site) {
    static spin_lock guard;
    static auto* const told = new std::set<std::tuple<void*, const char*, long>>;
    const std::lock_guard hold(guard);
    return told->emplace(place, site.file, static_cast<long>(site.line)).second;
}

std::string sentence(const fiber_core& core, const char* what, const held_lock& h) {
    std::ostringstream text;
    text << describe(core) << " goes to wait for " << what << " and keeps the "
         << h.kind << " " << const_cast<const void*>(h.lock.load()) << ", locked at "
         << describe_frame(h.place);
    return text.str();
}

void tell(fiber_core& core, const char* what) noexcept {
    if (lock_checks.load() == 0) return;
    for (const held_lock& h : locks_here()) {
        if (!h.by(core)) continue;
        try {
            if (!is_news(h.place, core.site)) continue;
            report(std::make_exception_ptr(
                       fiber_error(errc::lock_held, sentence(core, what, h))),
                   "lock_check");
        } catch (const std::bad_alloc&) {
            // Told of at the next wait, or never.
        }
    }
    refresh_held(core);
}

}  // namespace
}  // namespace detail

lock_check::lock_check() noexcept {
    ++detail::lock_checks;
    detail::tell_held_locks.store(detail::tell, std::memory_order_release);
}

lock_check::~lock_check() {
    --detail::lock_checks;
}

}  // namespace tendril
