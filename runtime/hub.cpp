// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/detail/extras.hpp>
#include <tendril/runtime/detail/overflow.hpp>
#include <tendril/runtime/detail/scheduled_call.hpp>
#include <tendril/runtime/detail/signal_requests.hpp>
#include <tendril/runtime/detail/switch.hpp>
#include <tendril/runtime/error.hpp>
#include <tendril/runtime/fiber.hpp>
#include <tendril/runtime/greenlet.hpp>
#include <tendril/runtime/hub.hpp>
#include <tendril/runtime/park.hpp>

#include <algorithm>
#include <mutex>
#include <string>

#include <cxxabi.h>

// NOLINTNEXTLINE(bugprone-reserved-identifier): the C++ ABI's own
extern "C" void* __dso_handle;

namespace tendril {
namespace {

// While fibers are ready all the time, I/O is looked for this often at most: often
// enough to be fair, seldom enough that the system call does not show.
constexpr auto between_looks = std::chrono::microseconds(50);

// What a thread has as long as it has a hub; closes that when the thread ends.
struct thread_end {
    thread_end() = default;
    thread_end(const thread_end&) = delete;
    thread_end& operator=(const thread_end&) = delete;

    ~thread_end() { hub_internals::close_this_thread(); }

    detail::signal_stack signals;
};

// As for a thread_local; but those are destroyed once, and a thread whose hub has
// closed may make another one while it ends.
void close_at_thread_end() {
    abi::__cxa_thread_atexit([](void* end) { delete static_cast<thread_end*>(end); },
                             new thread_end, &__dso_handle);
}

// All hubs, also those that ended with fibers that others hold or that would not die:
// what they have is held by this, and is no leak.
struct process_hubs {
    std::mutex mutex;
    detail::intrusive_list<detail::list_hook> list;
};

process_hubs& all_hubs() {
    static auto* const hubs = new process_hubs;
    return *hubs;
}

struct posted_call : detail::letter {
    posted_call(hub::callback f, const detail::scheduler& to)
        : f(std::move(f)), to(to) {}

    hub::callback f;
    const detail::scheduler& to;
};

}  // namespace

namespace detail {

scheduler& make_this_scheduler() {
    return hub_internals::scheduler(hub_internals::make());
}

}  // namespace detail

// -- making and ending

hub& hub_internals::make() {
    detail::name_overflows();
    auto* const h = new hub;
    detail::this_scheduler = &h->scheduler_;
    close_at_thread_end();
    return *h;
}

void hub_internals::close_this_thread() noexcept {
    detail::scheduler* const s = detail::this_scheduler;
    if (s == nullptr) return;
    // exit() called by a fiber: its own stack cannot be unwound from here, nor can the
    // others be run. The process is ending; they are left as they are.
    if (s->current != &s->main) return;
    s->owner.close();
}

bool hub_internals::send(hub& h, detail::letter& l) noexcept {
    // Once the letter is in, the hub may be gone at any moment; its bell stays.
    detail::doorbell& bell = h.bell_;
    const auto how = h.mail_.push(l);
    if (how == detail::mailbox::pushed::first) bell.ring();
    return how != detail::mailbox::pushed::refused;
}

hub::hub()
    : requests_seen_(detail::signal_requests.load()),
      scheduler_(*this),
      bell_(detail::doorbell::acquire()),
      driver_(detail::make_idle_driver(bell_)) {
    const std::lock_guard held(all_hubs().mutex);
    all_hubs().list.push_back(in_process_);
}

hub::~hub() {
    {
        const std::lock_guard held(all_hubs().mutex);
        in_process_.unlink();
    }
    bell_.give_back();
}

hub& hub::current() {
    return detail::current_scheduler().owner;
}

void hub::close() noexcept {
    scheduler_.ending = true;
    // Its scopes and timeouts may still be there: after exit(), nobody leaves them.
    scheduler_.main.layer = nullptr;
    scheduler_.main.cancel_due = false;
    scheduler_.main.shields = UINT16_MAX;
    detail::drop_interrupts(scheduler_.main);
    // User code runs in here: fibers clean up, the destructors of locals, of what
    // callbacks and letters hold. It may spawn and post, but not for ever.
    constexpr int most_rounds = 100;
    for (int round = 0; round < most_rounds && !idle(); ++round) {
        unwind_callback();
        kill_all();
        unwind_callback();
        detail::drop_locals(scheduler_.main);
        detail::drop_locals(scheduler_.loop);
        open_letters(mail_.take());
        forget_callbacks();
    }
    driver_.reset();
    scheduler_.closing = true;
    // Whatever still has a stack: ended fibers that other threads hold, and fibers that
    // would not die. The main fiber and the loop may be held, too. Counted before the
    // mailbox refuses, so that no drop is missed.
    scheduler_.orphans.store(stacks_in_use() + 3, std::memory_order_release);
    // From here on this thread gives references back as any other does.
    detail::this_scheduler = nullptr;
    scheduler_.end_main();
    open_letters(mail_.close());
    if (scheduler_.orphans.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
}

bool hub::idle() const noexcept {
    const auto has_locals = [](const detail::fiber_core& core) {
        return core.extras != nullptr && !core.extras->locals.empty();
    };
    const detail::scheduler& s = scheduler_;
    return s.living.empty() && s.departing.empty() && s.ready.empty() &&
           timers_.empty() && mail_.empty() && !has_locals(s.main) &&
           !has_locals(s.loop) && s.loop.state != detail::fiber_state::suspended;
}

void hub::kill_all() noexcept {
    // A fiber may catch its kill and clean up with calls that park, for which it gets a
    // second. One that swallows its kill gets another, but not for ever.
    constexpr int rounds = 3;
    const auto all_gone = [&] {
        return scheduler_.living.empty() && scheduler_.departing.empty();
    };
    for (int round = 0; round < rounds && !all_gone(); ++round) {
        detail::kill_everything(scheduler_,
                                detail::after(now(), std::chrono::seconds(1)));
    }
    while (!scheduler_.living.empty()) {
        detail::fiber_core& core = *scheduler_.living.front().core;
        abandon(core, " still alive, 3 kills later");
        // For those who wait for it on other threads.
        core.failure = lost_.empty() ? std::exception_ptr() : lost_.back();
        core.failure_seen = true;
        scheduler_.complete(core);
    }
    while (!scheduler_.departing.empty()) {
        detail::fiber_core& core = *scheduler_.departing.front().core;
        abandon(core, " ended, but not what it left behind");
        core.in_registry.unlink();
    }
}

void hub::abandon(detail::fiber_core& core, const char* how) noexcept {
    // Its stack is not to be used again: nobody gives this back.
    detail::retain(core);
    std::exception_ptr error;
    try {
        const std::string text =
            "a thread has ended with " + describe(core) + how + "; its stack is lost";
        error = std::make_exception_ptr(fiber_error(errc::thread_exited, text));
        lost_.push_back(error);
    } catch (const std::bad_alloc&) {
        error = std::current_exception();
    }
    detail::report(std::move(error), "thread end");
}

void hub::unwind_callback() noexcept {
    detail::fiber_core& loop = scheduler_.loop;
    if (loop.state != detail::fiber_state::suspended) return;
    loop.inbound_error = std::make_exception_ptr(greenlet_exit{});
    // Straight to the loop and back; nobody else gets a turn before.
    scheduler_.budget = 0;
    scheduler_.make_ready_next(scheduler_.main);
    scheduler_.leave();
}

void hub::forget_callbacks() noexcept {
    detail::ready_queue fibers;
    while (!scheduler_.ready.empty()) {
        detail::runnable& r = scheduler_.ready.front();
        scheduler_.ready.pop_front();
        if (r.call != nullptr) {
            static_cast<detail::scheduled_call&>(r).forget();
        } else if (auto& core = static_cast<detail::fiber_core&>(r); core.stillborn) {
            // Its turn, in which it would have gone, is now.
            core.state = detail::fiber_state::done;
            detail::release(core);
        } else if (!core.done) {
            fibers.push_back(core);  // somebody has just spawned it
        }
    }
    while (!fibers.empty()) {
        detail::runnable& r = fibers.front();
        fibers.pop_front();
        scheduler_.ready.push_back(r);
    }
    while (!timers_.empty()) detail::forget_armed(timers_);
}

// -- callbacks

void hub::require_own_thread(const char* call) const {
    if (&scheduler_ == detail::this_scheduler) return;
    detail::fail(errc::wrong_thread,
                 std::string(call) +
                     " called from a thread that is not the hub's own; "
                     "from other threads use hub::post()");
}

timer hub::call_soon(callback f) {
    require_own_thread("hub::call_soon");
    auto* const call = detail::scheduled_call::make(scheduler_, std::move(f), false);
    scheduler_.ready.push_back(*call);
    return timer(call);
}

timer hub::arm(time_point when, callback f, bool local) {
    require_own_thread("hub::call_later");
    auto* const call = detail::scheduled_call::make(scheduler_, std::move(f), local);
    timer handle(call);
    if (when == never) {
        call->forget();
        return handle;
    }
    try {
        timers_.arm(*call, std::max(when, now()));
    } catch (...) {
        call->forget();
        throw;
    }
    return handle;
}

void hub::post(callback f) {
    if (!f) detail::fail(errc::bad_argument, "hub::post was given nothing to call");
    auto* const call = new posted_call(std::move(f), scheduler_);
    call->open = [](detail::letter& l) {
        const std::unique_ptr<posted_call> mine(&static_cast<posted_call&>(l));
        // Unless its hub is ending, or has ended.
        if (&mine->to != detail::this_scheduler || mine->to.ending) return;
        detail::run_callback(mine->to, mine->f, "a callback given to hub::post");
    };
    if (!hub_internals::send(*this, *call)) {
        delete call;
        detail::fail(errc::thread_exited, "hub::post to a hub whose thread has ended");
    }
}

hub_handle::hub_handle(detail::fiber_core& main) noexcept : main_(&main) {
    detail::retain(main);
}

hub_handle::hub_handle(const hub_handle& other) noexcept : hub_handle(*other.main_) {}

hub_handle& hub_handle::operator=(hub_handle other) noexcept {
    std::swap(main_, other.main_);
    return *this;
}

hub_handle::~hub_handle() {
    detail::release(*main_);
}

void hub_handle::post(callback f) const {
    main_->home->owner.post(std::move(f));
}

void hub_handle::stop() const {
    hub& h = main_->home->owner;
    post([&h] { h.stop(); });
}

// -- waiting for nothing in particular

void hub::run_forever() {
    require_own_thread("hub::run_forever");

    struct until_stopped final : detail::waiter {
        explicit until_stopped(hub& h)
            : waiter(
                  [](detail::waiter& w) noexcept {
                      static_cast<until_stopped&>(w).owner.forever_ = nullptr;
                      return true;
                  },
                  "hub::stop"),
              owner(h) {}

        hub& owner;
    };

    if (forever_ != nullptr) {
        detail::fail(errc::already_set,
                     "hub::run_forever is being called already, by " +
                         describe(forever_->fiber));
    }
    until_stopped w(*this);
    if (std::exchange(stop_requested_, false)) {
        detail::yield_now();
        return;
    }
    forever_ = &w;
    detail::park(w);
}

void hub::stop() {
    if (&scheduler_ != detail::this_scheduler) {
        post([this] { stop(); });
    } else if (forever_ != nullptr) {
        detail::wake(*std::exchange(forever_, nullptr));
    } else {
        stop_requested_ = true;
    }
}

void hub::switch_out() {
    require_own_thread("hub::switch_out");
    detail::fiber_core& self = *scheduler_.current;
    if (scheduler_.on_loop()) {
        detail::fail(errc::in_hub, "hub::switch_out called in a hub callback");
    }
    detail::throw_interrupts();
    self.state = detail::fiber_state::suspended;
    scheduler_.note_if_abandoned(self);
    scheduler_.transfer(scheduler_.next_to_run());
    detail::after_raw_switch(self);
}

// -- the loop

void hub::loop() {
    for (;;) {
        scheduler_.turn_began = clock::now();
        if (requests_seen_ != detail::signal_requests.load()) [[unlikely]]
            serve_signals();
        run_ready();
        open_letters(mail_.take());
        fire_timers();
        if (scheduler_.ready.empty()) {
            sleep_until_something();
        } else {
            look_for_io();
        }
    }
}

void hub::serve_signals() {
    const unsigned before =
        std::exchange(requests_seen_, detail::signal_requests.load());
    detail::serve_signal_requests(*this, before);
}

void hub::wait_unless_called(time_point deadline) {
    bell_.going_to_sleep();
    const bool called =
        !mail_.empty() || requests_seen_ != detail::signal_requests.load();
    if (!called) driver_->wait(deadline);
    bell_.awake();
}

void hub::run_ready() {
    detail::ready_queue& ready = scheduler_.ready;
    scheduler_.budget = detail::scheduler::budget_per_turn;
    if (!ready.empty()) told_of_deadlock_ = false;
    while (scheduler_.budget > 0 && !ready.empty()) {
        --scheduler_.budget;
        detail::runnable& next = ready.front();
        ready.pop_front();
        if (next.call != nullptr) {
            next.call(next);
        } else {
            scheduler_.transfer(static_cast<detail::fiber_core&>(next));
            scheduler_.report_tracer();
        }
    }
}

void hub::open_letters(detail::letter* l) {
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
    while (detail::timer_node* const due = timers_.take_due(at, limit)) due->fire(*due);
}

void hub::look_for_io() {
    if (!driver_->worth_polling()) return;
    const time_point at = clock::now();
    if (!std::exchange(just_looked_, false)) {
        if (at - last_look_ < between_looks) return;
        driver_->poll();
    }
    last_look_ = at;
}

void hub::sleep_until_something() {
    time_point deadline = timers_.empty() ? never : timers_.next();
    const bool in_vain = deadline == never && !driver_->waiting() && mail_.empty();
    if (in_vain && hub_internals::tell_of_deadlock(*this)) return;
    if (source_ != nullptr) return sleep_by_source(deadline);
    detail::stack_pool& stacks = scheduler_.stacks;
    if (stacks.may_trim()) {
        if (stacks.trim_some(clock::now())) return look_for_io();
        deadline = std::min(deadline, stacks.next_trim());
    }
    wait_unless_called(deadline);
    just_looked_ = true;
}

void hub::sleep_by_source(time_point deadline) {
    const bool idle = mail_.empty() && !driver_->waiting();
    if (idle && deadline != never && source_->jump(deadline)) return;
    const time_point begin = clock::now();
    wait_unless_called(deadline == never ? never
                                         : detail::after(begin, deadline - now()));
    source_->slept(clock::now() - begin);
}

}  // namespace tendril
