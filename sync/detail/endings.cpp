// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/cancel.hpp>
#include <tendril/runtime/error.hpp>
#include <tendril/sync/detail/endings.hpp>

#include <mutex>
#include <string>
#include <utility>

namespace tendril::detail {
namespace {

// REQUIRES  not an empty handle.
fiber_core& core_of(const any_fiber& f) {
    fiber_core* const core = fiber_access::core(f);
    if (core == nullptr) fail(errc::dead, "an empty fiber handle was waited for");
    return *core;
}

}  // namespace

bool awaited::done() const {
    if (const auto* f = std::get_if<any_fiber>(&it_)) return f->done();
    return std::get<shared_core>(it_)->done();
}

bool awaited::elsewhere() const noexcept {
    const auto* const f = std::get_if<shared_core>(&it_);
    return f != nullptr && (*f)->elsewhere();
}

std::exception_ptr awaited::error() const {
    if (const auto* f = std::get_if<any_fiber>(&it_)) return f->exception();
    return std::get<shared_core>(it_)->error();
}

void awaited::forgive() const {
    if (const auto* f = std::get_if<any_fiber>(&it_)) {
        core_of(*f).failure_seen.store(true);
    } else {
        std::get<shared_core>(it_)->forgive();
    }
}

bool awaited::end() const {
    const auto* const f = std::get_if<any_fiber>(&it_);
    if (f == nullptr) {
        const auto& future = std::get<shared_core>(it_);
        return future->cancel() || future->done();
    }
    if (core_of(*f).home == this_scheduler) {
        kill_here(core_of(*f), std::make_exception_ptr(greenlet_exit{}));
    } else {
        f->kill();
    }
    return true;
}

void awaited::join() const {
    if (const auto* f = std::get_if<any_fiber>(&it_)) {
        f->join();
    } else {
        std::get<shared_core>(it_)->join(never);
    }
}

bool awaited::watch(waiter& w) const {
    const auto* const f = std::get_if<any_fiber>(&it_);
    if (f == nullptr) return std::get<shared_core>(it_)->watch(w);
    fiber_core& core = core_of(*f);
    if (&core == &w.fiber) {
        fail(errc::bad_argument, describe(core) + " waits for its own end");
    }
    return !f->done() && watch_end(core, w);
}

void awaited::unwatch(waiter& w) const noexcept {
    if (const auto* f = std::get_if<any_fiber>(&it_)) {
        unwatch_end(*fiber_access::core(*f), w);
    } else {
        std::get<shared_core>(it_)->unwatch(w);
    }
}

std::exception_ptr end_all(const std::vector<awaited>& them, unending rule) noexcept {
    const uninterrupted here;
    std::exception_ptr failed;
    const auto note_error = [&] {
        if (!failed) failed = std::current_exception();
    };
    for (const awaited& one : them) {
        one.to_join_ = false;
        try {
            one.to_join_ = one.end() || rule == unending::waited_for;
        } catch (...) {
            note_error();
        }
    }
    for (const awaited& one : them) {
        if (!one.to_join_) continue;
        try {
            one.join();
        } catch (...) {
            note_error();
        }
    }
    return failed;
}

void give_up(const std::vector<awaited>& them, unending rule) noexcept {
    auto error = end_all(them, rule);
    for (const awaited& one : them) one.forgive();
    if (error) report(std::move(error), "ending what an ended fiber had waited for");
}

endings::watch::watch(endings& owner, std::size_t place)
    : waiter(nullptr, "the end of one of several"), owner(owner), place(place) {
    told = endings::told;
}

endings::endings(const std::vector<awaited>& them) : them_(them) {
    std::size_t watched = 0;
    try {
        for (const awaited& one : them) {
            watch& w = watches_.emplace_back(*this, watched);
            if (!one.watch(w)) add(w);
            ++watched;
            elsewhere_ = elsewhere_ || one.elsewhere();
        }
    } catch (...) {
        // Under the locks of what they watch: some may be ending on other threads.
        for (std::size_t i = 0; i < watched; ++i) them_[i].unwatch(watches_[i]);
        throw;
    }
}

endings::~endings() {
    for (watch& w : watches_) them_[w.place].unwatch(w);
}

std::optional<std::size_t> endings::next(time_point deadline) {
    std::optional<waits_elsewhere> for_others;
    if (elsewhere_) for_others.emplace();
    auto held = wait_queue::hold_to_wait(lock_);
    while (first_ == nullptr) {
        wait_queue::place here("the end of one of several");
        if (!line_.wait(held, here, deadline)) return std::nullopt;
        held.lock();
    }
    const watch& ended = *first_;
    first_ = ended.later;
    if (first_ == nullptr) last_ = &first_;
    return ended.place;
}

void endings::told(waiter& w) noexcept {
    auto& self = static_cast<watch&>(w);
    self.owner.add(self);
}

void endings::add(watch& ended) noexcept {
    wait_queue::taken_one woken;
    const std::lock_guard held(lock_);
    *last_ = &ended;
    last_ = &ended.later;
    if (!line_.empty()) woken.set(line_.take_first());
}

}  // namespace tendril::detail
