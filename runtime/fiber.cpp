// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/detail/extras.hpp>
#include <tendril/runtime/detail/scheduled_call.hpp>
#include <tendril/runtime/detail/switch.hpp>
#include <tendril/runtime/fiber.hpp>
#include <tendril/runtime/hub.hpp>
#include <tendril/runtime/park.hpp>

#include <list>
#include <memory>
#include <mutex>
#include <new>
#include <string>
#include <typeinfo>
#include <utility>
#include <vector>

namespace tendril {
namespace detail {
namespace {

bool is_plain_exit(const std::exception_ptr& error) noexcept {
    return *error.__cxa_exception_type() == typeid(greenlet_exit);
}

// An exception sent by kill(), on the heap until it is thrown.
struct kill_interrupt final : interrupt {
    explicit kill_interrupt(std::exception_ptr error) : error(std::move(error)) {
        raise = [](interrupt& i) {
            const std::unique_ptr<kill_interrupt> mine(
                static_cast<kill_interrupt*>(&i));
            // Itself and not by way of a pointer, so that it is known what becomes of
            // it (swallowed.hpp).
            if (is_plain_exit(mine->error)) throw greenlet_exit{};
            std::rethrow_exception(std::move(mine->error));
        };
        drop = [](interrupt& i) noexcept { delete static_cast<kill_interrupt*>(&i); };
    }

    std::exception_ptr error;
};

// A fiber that waits for another one's end.
struct joiner final : waiter {
    // On the same thread nothing holds the target: as long as the waiter is in its list
    // it has not ended, and when it ends it empties that. A waker on another thread may
    // be on its way for a while, in which the target must not go.
    explicit joiner(fiber_core& target)
        : waiter(leave_line, "a fiber's end"),
          target(target),
          distant(fiber.home != target.home) {
        if (distant) retain(target);
        whom = [](const waiter& w) noexcept {
            const auto& self = static_cast<const joiner&>(w);
            return self.distant ? nullptr : &self.target;
        };
    }

    joiner(const joiner&) = delete;
    joiner& operator=(const joiner&) = delete;

    ~joiner() {
        if (distant) release(target);
    }

    // False if the target has ended meanwhile.
    bool stand_in_line() {
        if (!distant && target.state == fiber_state::parked) require_no_cycle(*this);
        return watch_end(target, *this);
    }

    static bool leave_line(waiter& w) noexcept {
        return unwatch_end(static_cast<joiner&>(w).target, w);
    }

    fiber_core& target;
    const bool distant;
};

// Takes `core`, unstarted and spawned, out of line for good.
bool never_start(fiber_core& core, std::exception_ptr error) noexcept {
    if (core.started || core.done.load() || core.kind != fiber_kind::spawned)
        return false;
    end_unstarted(core, std::move(error));
    return true;
}

void require_home(const fiber_core& core, const char* call) {
    if (core.home == this_scheduler) return;
    const bool ended = core.home->closing.load(std::memory_order_acquire);
    fail(
        ended ? errc::thread_exited : errc::wrong_thread,
        std::string(call) + "() was called on " + describe(core) +
            (ended ? ", whose thread has ended" : ", which belongs to another thread"));
}

void drop_start_timer(fiber_core& core) noexcept {
    const std::unique_ptr<start_timer> timer = std::move(core.extras->delayed);
    hub_internals::timers(core.home->owner).disarm(*timer);
    if (timer->creator != nullptr) release(*timer->creator);
}

// The time of a delayed fiber has come.
void start(timer_node& t) {
    const auto& timer = static_cast<start_timer&>(t);
    fiber_core& due = *timer.core;
    if (timer.creator != nullptr && timer.creator->done.load()) {
        end_unstarted(due, std::make_exception_ptr(greenlet_exit{}));
    } else {
        drop_start_timer(due);
        due.home->make_ready(due);
        release(due);  // the timer's
    }
}

}  // namespace

namespace {

void report_of(const fiber_core& core, const char* what) noexcept {
    try {
        report(core.failure, what + describe(core));
    } catch (const std::bad_alloc&) {
        report(core.failure, what);
    }
}

}  // namespace

void call_links(fiber_core& core) noexcept {
    // A link that links more to the same fiber has them called after it, not inside it.
    if (!core.extras || std::exchange(core.extras->calling_links, true)) return;
    std::list<link_entry>& links = core.extras->links;
    while (!links.empty()) {
        // Out of the list first: once it is being called it cannot be unlinked.
        unique_function<void()> call = std::move(links.front().call);
        links.pop_front();
        try {
            call();
        } catch (...) {
            report(std::current_exception(), "a link of a fiber");
        }
    }
    core.extras->calling_links = false;
}

bool watch_end(fiber_core& core, waiter& w) {
    if (w.fiber.home == core.home) {
        if (core.done.load()) return false;
        core.joiners.push_back(w);
        return true;
    }
    const std::lock_guard lock(core.joiners_lock);
    core.joined_from_afar.store(true);
    if (core.done.load()) return false;
    core.distant_joiners.push_back(w);
    return true;
}

bool unwatch_end(fiber_core& core, waiter& w) noexcept {
    std::unique_lock<spin_lock> lock;
    if (w.fiber.home != core.home) lock = std::unique_lock(core.joiners_lock);
    if (!w.linked()) return false;
    w.unlink();
    return true;
}

void report_unseen(const fiber_core& core) noexcept {
    if (core.failure_seen || ends_quietly(core.failure)) return;
    report_of(core, "an exception nobody waited for, of ");
}

void report_at_once(fiber_core& core) noexcept {
    if (ends_quietly(core.failure)) return;
    core.failure_seen = true;
    report_of(core, "in ");
}

namespace {

void after_the_end(fiber_core& core) noexcept {
    if (core.extras == nullptr) return;
    const bool on_its_own_stack = core.home->current == &core;
    if (on_its_own_stack) core.home->departing.push_back(core);
    core.extras->limit.reset();
    call_links(core);
    drop_locals(core);
}

}  // namespace

void finish_fiber(fiber_core& core) noexcept {
    // On its own thread, wherever its last handle may be dropped.
    if (core.context) [[unlikely]]
        core.context = nullptr;
    core.home->complete(core);
    after_the_end(core);
}

void end_unstarted(fiber_core& core, std::exception_ptr error) noexcept {
    // What it discards may kill it once more.
    core.started = true;
    core.stillborn = true;
    core.failure = std::move(error);
    retain(core);
    // In the ready queue it keeps its place, and ends without running when its turn
    // comes. A timer that would have put it there goes at once, with its reference.
    const bool delayed = core.extras && core.extras->delayed;
    if (delayed) drop_start_timer(core);
    // Over before what it has is destroyed: that may park, and its turn may come.
    core.home->complete(core);
    core.discard(core);
    core.context = nullptr;
    after_the_end(core);
    release(core);
    if (delayed) {
        core.state = fiber_state::done;
        release(core);  // the timer's
    }
}

void start_after(fiber_core& core, time_point when, fiber_core* creator) {
    start_timer* timer = nullptr;
    try {
        extras_of(core).delayed = std::make_unique<start_timer>();
        timer = core.extras->delayed.get();
        if (when != never) hub_internals::timers(core.home->owner).arm(*timer, when);
    } catch (...) {
        if (core.extras != nullptr) core.extras->delayed.reset();
        throw;
    }
    timer->core = &core;
    timer->fire = start;
    timer->creator = creator;
    retain(core);
    if (creator != nullptr) retain(*creator);
}

bool kill_here(fiber_core& core, std::exception_ptr error) {
    if (core.done.load(std::memory_order_relaxed)) return false;
    if (never_start(core, error)) return false;
    const bool plain = is_plain_exit(error);
    kill_interrupt* i = nullptr;
    try {
        i = new kill_interrupt(std::move(error));
    } catch (const std::bad_alloc&) {
        if (!plain) throw;
        // Whoever cleans up must be able to, without memory too.
        core.exit_due = true;
        refresh_alert(core);
        return core.home->alert(core);
    }
    return core.home->interrupt_fiber(core, *i);
}

void kill_everything(scheduler& s, time_point until) noexcept {
    std::vector<any_fiber> doomed;
    try {
        s.living.for_each([&](fiber_core& core) {
            retain(core);
            doomed.push_back(fiber_access::handle<void>(core));
        });
        for (const any_fiber& f : doomed) {
            fiber_core& core = *fiber_access::core(f);
            if (core.kind == fiber_kind::greenlet && !core.started) {
                // Nothing of it has run; it goes with its last handle.
                s.complete(core);
                core.state = fiber_state::done;
            } else {
                kill_here(core, std::make_exception_ptr(greenlet_exit{}));
            }
        }
        for (const any_fiber& f : doomed) f.join(until);
        doomed.clear();
        s.wait_for_departures(0, until);
    } catch (...) {
        report(std::current_exception(), "thread end");
    }
}

}  // namespace detail

detail::fiber_core& any_fiber::core() const {
    if (core_ == nullptr) detail::fail(errc::dead, "an empty fiber handle was used");
    return *core_;
}

std::string any_fiber::name() const {
    const detail::fiber_core& c = core();
    detail::require_home(c, "name");
    return c.extras ? c.extras->name : std::string();
}

void any_fiber::set_name(std::string name) {
    detail::require_home(core(), "set_name");
    detail::extras_of(*core_).name = std::move(name);
}

bool any_fiber::done() const {
    return core().done.load(std::memory_order_acquire);
}

bool any_fiber::join(time_point deadline) const {
    detail::fiber_core& target = core();
    if (done()) return true;
    detail::joiner w(target);
    w.limited = deadline != never;
    if (&w.fiber == &target) {
        detail::fail(errc::bad_argument, describe(target) + " waits for its own end");
    }
    return !w.stand_in_line() || detail::park_until(w, deadline);
}

std::exception_ptr any_fiber::exception() const {
    if (!done()) return nullptr;
    core_->failure_seen = true;
    return core_->failure;
}

void any_fiber::wait_and_rethrow() const {
    const std::uint64_t waited_for = core().id;
    join();
    // Not by its address, which the next fiber may have.
    if (id() != waited_for) {
        detail::fail(errc::dead,
                     "a fiber handle was moved from, or given another fiber, while it "
                     "was waited on");
    }
    if (core_->failure) {
        core_->failure_seen = true;
        std::rethrow_exception(core_->failure);
    }
}

void any_fiber::kill(std::exception_ptr error) const {
    detail::fiber_core& victim = core();
    if (!error) detail::fail(errc::bad_argument, "kill was given a null exception_ptr");
    if (victim.home != detail::this_scheduler) {
        if (done()) return;
        try {
            victim.home->owner.post([handle = *this, error = std::move(error)] {
                detail::kill_here(*handle.core_, error);
            });
        } catch (const fiber_error& e) {
            // Its thread has ended, and it with it.
            if (e.code() != errc::thread_exited) throw;
        }
        return;
    }
    detail::scheduler& s = *victim.home;
    const bool unwinding = s.exceptions->uncaught > 0;
    if (s.current == &victim && !unwinding) std::rethrow_exception(std::move(error));
    // The victim stands first in line now; the killer goes to the end of it.
    if (detail::kill_here(victim, std::move(error)) && !s.on_loop())
        detail::yield_now();
}

bool any_fiber::cancel(std::exception_ptr error) const {
    detail::require_home(core(), "cancel");
    if (!error)
        detail::fail(errc::bad_argument, "cancel was given a null exception_ptr");
    return detail::never_start(*core_, std::move(error));
}

link_id any_fiber::link(detail::unique_function<void()> f) const {
    detail::require_home(core(), "link");
    if (!f) detail::fail(errc::bad_argument, "link was given nothing to call");
    static thread_local link_id last_id = 0;
    const link_id id = ++last_id;
    detail::extras_of(*core_).links.push_back({id, std::move(f)});
    if (done()) detail::call_links(*core_);
    return id;
}

namespace {

// As a link: hands its callback to the hub.
class done_callback {
  public:
    explicit done_callback(detail::unique_function<void()> f)
        : call_(detail::scheduled_call::make(
              detail::current_scheduler(), std::move(f), false)) {
        call_->drop_reference();  // nobody has a handle to cancel it by
    }

    void operator()() {
        detail::scheduled_call* const call = call_.release();
        call->home.ready.push_back(*call);
    }

  private:
    struct forget {
        void operator()(detail::scheduled_call* call) const noexcept { call->forget(); }
    };

    std::unique_ptr<detail::scheduled_call, forget> call_;
};

}  // namespace

link_id any_fiber::add_done_callback(detail::unique_function<void()> f) const {
    detail::require_home(core(), "add_done_callback");
    return link(done_callback(std::move(f)));
}

bool any_fiber::unlink(link_id id) const {
    detail::require_home(core(), "unlink");
    if (!core_->extras) return false;
    return core_->extras->links.remove_if([id](const auto& l) { return l.id == id; }) >
           0;
}

any_fiber current() {
    detail::scheduler& s = detail::current_scheduler();
    if (s.on_loop()) detail::fail(errc::in_hub, "current() called in a hub callback");
    detail::retain(*s.current);
    return any_fiber(s.current);
}

std::vector<any_fiber> all_fibers() {
    std::vector<any_fiber> found;
    detail::current_scheduler().living.for_each([&](detail::fiber_core& core) {
        if (core.kind != detail::fiber_kind::spawned) return;
        found.emplace_back();
        detail::retain(core);
        found.back() = detail::fiber_access::handle<void>(core);
    });
    return found;
}

}  // namespace tendril
