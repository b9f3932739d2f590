// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/detail/fork_guard.hpp>
#include <tendril/runtime/detail/gdb_section.hpp>
#include <tendril/runtime/detail/overflow.hpp>
#include <tendril/runtime/detail/readiness.hpp>
#include <tendril/runtime/detail/scheduled_call.hpp>
#include <tendril/runtime/detail/signal_callbacks.hpp>
#include <tendril/runtime/detail/signal_requests.hpp>
#include <tendril/runtime/detail/switch.hpp>
#include <tendril/runtime/error.hpp>
#include <tendril/runtime/fiber.hpp>
#include <tendril/runtime/greenlet.hpp>
#include <tendril/runtime/hub.hpp>
#include <tendril/runtime/park.hpp>

#include <algorithm>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include <cxxabi.h>
#include <sys/syscall.h>
#include <unistd.h>

// NOLINTNEXTLINE(bugprone-reserved-identifier): the C++ ABI's own
extern "C" void* __dso_handle;

namespace tendril {
namespace {

// Draws in the object file with gdb's commands.
[[gnu::used]] const char* const has_gdb_commands = &detail::gdb_commands;

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
// what they have is held by this, and is no leak. tendril-gdb.py finds the list by the
// names here, and at the beginning of this.
struct process_hubs {
    detail::intrusive_list<detail::hub_hook> list;
    std::mutex mutex;
};

process_hubs& all_hubs() {
    static auto* const hubs = new process_hubs;
    return *hubs;
}

struct posted_call : detail::letter {
    posted_call(hub::callback f, detail::scheduler& to) : f(std::move(f)), to(to) {}

    hub::callback f;
    detail::scheduler& to;
};

[[noreturn]] void fail_in_child() {
    detail::fail(errc::forked,
                 "the hub of a process cannot be used in the child of a fork; exec "
                 "there, or fork before the first fiber");
}

}  // namespace

namespace detail {

scheduler& make_this_scheduler() {
    return hub_internals::scheduler(hub_internals::make());
}

}  // namespace detail

// -- making and ending

hub& hub_internals::make() {
    if (detail::in_forked_child) fail_in_child();
    detail::name_overflows();
    detail::watch_forks();
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
    : thread_(pthread_self()),
      thread_id_(static_cast<pid_t>(syscall(SYS_gettid))),
      requests_seen_(detail::signal_requests.load()),
      dumps_seen_(detail::dump_requests.load()),
      scheduler_(*this),
      bell_(detail::doorbell::acquire()),
      driver_(detail::make_idle_driver(bell_)) {
    const std::lock_guard held(all_hubs().mutex);
    in_process_.owner = this;
    all_hubs().list.push_back(in_process_);
}

hub::~hub() {
    {
        const std::lock_guard held(all_hubs().mutex);
        in_process_.unlink();
    }
    bell_.give_back();
}

hub_internals::watch_point hub_internals::watch(hub& h) noexcept {
    detail::scheduler& s = h.scheduler_;
    return {.id = s.main.id >> detail::hub_shift,
            .has_fibers = s.living_count > 0,
            .asleep = h.bell_.asleep(),
            .unswitched = s.unswitched,
            .thread = h.thread_,
            .thread_id = h.thread_id_};
}

void hub_internals::for_each_hub(const std::function<void(hub&)>& f) {
    const std::lock_guard held(all_hubs().mutex);
    all_hubs().list.for_each([&](const detail::hub_hook& hook) {
        if (hook.owner->thread_id_ != 0) f(*hook.owner);
    });
}

void hub::hide_thread() noexcept {
    const std::lock_guard held(all_hubs().mutex);
    thread_id_ = 0;
}

hub& hub::current() {
    return detail::current_scheduler().owner;
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
    if (detail::in_forked_child) fail_in_child();
    auto* const call = new posted_call(std::move(f), scheduler_);
    call->open = [](detail::letter& l) {
        const std::unique_ptr<posted_call> mine(&static_cast<posted_call&>(l));
        // Unless its hub is ending, or has ended.
        if (&mine->to != detail::this_scheduler || mine->to.ending) return;
        detail::run_callback(mine->to, mine->f, nullptr,
                             "a callback given to hub::post");
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

void hub_internals::set_driver(hub& h, std::unique_ptr<detail::driver> d) {
    if (h.readiness_ != nullptr) d->listen_to(h.readiness_->fd());
    h.driver_ = std::move(d);
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

}  // namespace tendril
