// hub_loop.cpp - one turn of a hub after the other.
//
// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/detail/choices.hpp>
#include <tendril/runtime/detail/fork_guard.hpp>
#include <tendril/runtime/detail/signal_callbacks.hpp>
#include <tendril/runtime/detail/signal_requests.hpp>
#include <tendril/runtime/detail/switch.hpp>
#include <tendril/runtime/hub.hpp>

#include <algorithm>
#include <chrono>
#include <utility>

#include <sys/single_threaded.h>

namespace tendril {
namespace {

// While fibers are ready all the time, I/O is looked for this often at most: often
// enough to be fair, seldom enough that the system call does not show.
constexpr auto between_looks = std::chrono::microseconds(50);

// A hub that only other threads could wake looks this often whether there are any.
constexpr auto first_thread_look = std::chrono::milliseconds(1);
constexpr auto longest_thread_look = std::chrono::seconds(1);

// Ready fibers keep timers, letters and I/O waiting for this long at most, or for as
// long as one of them runs.
constexpr auto longest_turn = std::chrono::milliseconds(1);

}  // namespace

void hub::loop() {
    for (;;) {
        begin_turn();
        run_ready();
        pace_fibers();
        if (!TENDRIL_FAULT(delay)) open_letters(take_letters());
        if (!TENDRIL_FAULT(delay)) fire_timers();
        if (scheduler_.ready.empty()) {
            sleep_until_something();
        } else {
            look_for_io();
        }
    }
}

void hub::begin_turn() {
    const time_point before = std::exchange(scheduler_.turn_began, clock::now());
    if (paced_by_next_turn_) pace(scheduler_.turn_began - before);
    scheduler_.unswitched.store(false, std::memory_order_relaxed);
    if (requests_seen_ != detail::signal_requests.load()) [[unlikely]]
        serve_signals();
}

// If the fibers have used up their budget, the next one is by how long that took. The
// clock is read for it only if something comes between this and the next turn.
void hub::pace_fibers() noexcept {
    const bool used_up = scheduler_.budget == 0 && !scheduler_.ready.empty();
    const bool others = !mail_.empty() || !timers_.empty();
    paced_by_next_turn_ = used_up && !others;
    if (used_up && others) pace(clock::now() - scheduler_.turn_began);
}

void hub::pace(duration took) noexcept {
    if (took > longest_turn) {
        turn_budget_ =
            std::max(1U, static_cast<unsigned>(turn_budget_ * longest_turn / took));
    } else {
        turn_budget_ = std::min(2 * turn_budget_, detail::scheduler::budget_per_turn);
    }
}

void hub::serve_signals() {
    requests_seen_ = detail::signal_requests.load();
    detail::serve_signal_requests(*this, dumps_seen_);
    if (signals_ != nullptr) signals_->serve();
}

void hub::wait_unless_called(time_point deadline) {
    if (TENDRIL_FAULT(idle_wake)) return;
    bool called = watch_.sees_letter(mail_, deadline);
    if (!called) {
        bell_.going_to_sleep();
        called = !mail_.empty() || requests_seen_ != detail::signal_requests.load();
        if (!called) wait_for_io(deadline);
        bell_.awake();
    }
    just_looked_ = !called;
    // Those who post all the time must not keep it from I/O.
    if (called) look_for_io();
}

void hub::wait_for_io(time_point deadline) {
    // The driver may be told only of what becomes ready from now on. And those who are
    // called all the time must not keep sockets from their turn.
    if (serve_descriptors()) {
        driver_->poll();
    } else {
        driver_->wait(deadline);
    }
}

void hub::run_ready() {
    detail::ready_queue& ready = scheduler_.ready;
    scheduler_.budget = turn_budget_;
    if (!ready.empty()) {
        told_of_deadlock_ = false;
        thread_look_ = {};
    }
    if (scheduler_.chance != nullptr) return run_by_chance();
    while (scheduler_.budget > 0 && !ready.empty()) {
        --scheduler_.budget;
        detail::runnable& next = ready.front();
        ready.pop_front();
        run_one(next);
    }
}

void hub::run_by_chance() {
    detail::ready_queue& ready = scheduler_.ready;
    scheduler_.chances = detail::scheduler::budget_per_turn;
    while (scheduler_.chances > 0 && !ready.empty()) {
        --scheduler_.chances;
        // So that whoever leaves comes back here, and does not hop on.
        scheduler_.budget = 0;
        run_one(scheduler_.chance->next(ready));
    }
}

void hub::run_one(detail::runnable& next) {
    if (next.call != nullptr) {
        next.call(next);
    } else {
        scheduler_.transfer(static_cast<detail::fiber_core&>(next));
        detail::require_parent();
        scheduler_.report_tracer();
    }
}

detail::letter* hub::take_letters() noexcept {
    if (mail_.empty()) return nullptr;
    quiet_.lower();
    return mail_.take();
}

void hub::open_letters(detail::letter* l) {
    if (l != nullptr) watch_.letter_came();
    while (l != nullptr) {
        detail::letter* const following = l->next_letter;
        l->open(*l);
        l = following;
    }
}

void hub::fire_timers() {
    if (timers_.empty()) return;
    const time_point at = now();
    const std::uint64_t limit = timers_.newest();
    // As many as that; then those that they woke, and I/O, get their turn.
    constexpr int at_once = 1024;
    for (int fired = 0; fired < at_once; ++fired) {
        detail::timer_node* const due = timers_.take_due(at, limit);
        if (due == nullptr) return;
        due->fire(*due);
    }
}

void hub::look_for_io() {
    if (!driver_->worth_polling() && !waits_for_descriptors()) return;
    const time_point at = clock::now();
    if (!std::exchange(just_looked_, false)) {
        if (at - last_look_ < between_looks) return;
        driver_->poll();
    }
    serve_descriptors();
    last_look_ = at;
}

bool hub::waits_for_io() const noexcept {
    return driver_->waiting() || waits_for_descriptors();
}

void hub::sleep_until_something() {
    time_point deadline = timers_.empty() ? never : timers_.next();
    const bool in_vain = deadline == never && mail_.empty() && !waits_for_outside() &&
                         (signals_ == nullptr || !signals_->waiting());
    if (in_vain && may_count_threads() && hub_internals::tell_of_deadlock(*this))
        return;
    if (source_ != nullptr) return sleep_by_source(deadline);
    detail::stack_pool& stacks = scheduler_.stacks;
    if (stacks.may_trim()) {
        if (stacks.trim_some(clock::now())) return look_for_io();
        deadline = std::min(deadline, stacks.next_trim());
    }
    const bool others_may_end = in_vain && !told_of_deadlock_ && forever_ == nullptr &&
                                scheduler_.main.state == detail::fiber_state::parked;
    if (others_may_end) deadline = std::min(deadline, next_look_at_threads());
    wait_unless_called(deadline);
}

// Counting them is a system call. Where there has been another thread, it is made only
// when a look at them is due, and not before each sleep between two letters.
bool hub::may_count_threads() const noexcept {
    return __libc_single_threaded != 0 || source_ != nullptr ||
           thread_look_ != duration{};
}

// All that could still happen would come from other threads; and those may end without
// a word.
time_point hub::next_look_at_threads() noexcept {
    thread_look_ =
        std::clamp<duration>(2 * thread_look_, first_thread_look, longest_thread_look);
    return clock::now() + thread_look_;
}

// For I/O, or for other threads: for that, nobody knows how long it will take.
bool hub::waits_for_outside() const noexcept {
    return waits_for_io() || scheduler_.waiting_elsewhere > 0;
}

void hub::sleep_by_source(time_point deadline) {
    const bool idle = mail_.empty() && !waits_for_outside();
    if (idle && deadline != never && source_->jump(deadline)) return;
    const time_point begin = clock::now();
    wait_unless_called(deadline == never ? never
                                         : detail::after(begin, deadline - now()));
    source_->slept(clock::now() - begin);
}

}  // namespace tendril
