// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/detail/cancel_layer.hpp>
#include <tendril/runtime/detail/choices.hpp>
#include <tendril/runtime/detail/extras.hpp>
#include <tendril/runtime/detail/scheduler.hpp>
#include <tendril/runtime/detail/stack_use_log.hpp>
#include <tendril/runtime/detail/switch.hpp>
#include <tendril/runtime/error.hpp>
#include <tendril/runtime/hub.hpp>
#include <tendril/runtime/park.hpp>
#include <tendril/runtime/stack.hpp>
#include <tendril/runtime/trace.hpp>

#include <cerrno>
#include <mutex>
#include <utility>

#include <cxxabi.h>

namespace tendril::detail {
namespace {

std::atomic<std::uint64_t> hubs_made{0};

// The first frame of every fiber, and for unwinders the last: without a return address
// rule, and with a zero frame pointer, gdb, backtrace() and perf stop here and do not
// walk into whatever the memory above holds.
[[noreturn]] TENDRIL_SWITCHES_STACKS void first_frame(
    boost::context::detail::transfer_t t) {
    asm volatile(".cfi_undefined rip");
    *static_cast<void**>(__builtin_frame_address(0)) = nullptr;
    scheduler& s = *this_scheduler;
    const arrival a = arrived(t);
    s.arrive(a.sp, a.from);
    fiber_core& self = *s.current;
    self.started = true;
    // A fiber killed while it stood in the ready queue is over before it begins.
    if (!self.done.load(std::memory_order_relaxed)) self.body(self);
    fiber_core& to = s.settle_end();
    // The block may be gone by now, and nobody will come back.
    s.current = &to;
    to.state = fiber_state::running;
    sanitizer_leave(s.zombie_sanitizer, to.sanitizer, true);
    jump_for_good(to.sp);
}

void tell_all(intrusive_list<waiter>& line) noexcept {
    while (!line.empty()) {
        waiter& w = line.pop_front();
        if (w.told != nullptr) {
            w.told(w);
        } else {
            wake(w);
        }
    }
}

void mark_done(fiber_core& core) noexcept {
    core.done.store(true);
    tell_all(core.joiners);
    if (core.joined_from_afar.load()) [[unlikely]] {
        const std::lock_guard lock(core.joiners_lock);
        tell_all(core.distant_joiners);
    }
}

// The loop never ends by itself; its stack goes with the hub.
void loop_body(fiber_core& core) {
    hub_internals::run_loop(core.home->owner);
}

}  // namespace

fiber_core::~fiber_core() {
    if (failure) [[unlikely]] {
        report_unseen(*this);
        failure = nullptr;
    }
    if (parent != nullptr) release(*std::exchange(parent, nullptr));
    delete extras;
}

scheduler::scheduler(hub& owner)
    : exceptions(reinterpret_cast<exception_globals*>(abi::__cxa_get_globals())),
      error_number(&errno),
      owner(owner),
      next_id(hubs_made.fetch_add(1, std::memory_order_relaxed) << hub_shift) {
    main.kind = fiber_kind::main;
    main.state = fiber_state::running;
    main.started = true;
    main.home = this;
    main.id = ++next_id;
    sanitizer_adopt_thread(main.sanitizer);
    current = &main;

    loop.body = loop_body;
    adopt(loop, fiber_kind::loop, stacks.take(0), {});
}

scheduler::~scheduler() {
    sanitizer_end(loop.sanitizer);
    stacks.give_back(loop.memory);
}

void scheduler::adopt(fiber_core& core, fiber_kind kind, stack memory, call_site site) {
    core.kind = kind;
    core.home = this;
    core.memory = memory;
    core.site = site;
    core.id = ++next_id;
    // Frames begin below the block, which stands at the top; the loop's block does not.
    auto* const block = reinterpret_cast<std::byte*>(&core);
    const bool inside = block >= memory.bottom && block < memory.end();
    std::byte* const top = inside ? block : memory.top();
    core.sp =
        make_context(top, static_cast<std::size_t>(top - memory.bottom), first_frame);
    sanitizer_begin(core.sanitizer, memory.bottom, memory.size);
    if (kind != fiber_kind::loop) {
        living.push_back(core);
        living_count.store(living_count.load(std::memory_order_relaxed) + 1,
                           std::memory_order_relaxed);
    }
}

void scheduler::run_errands() noexcept {
    errands = trace != nullptr;
    if (zombie.bottom != nullptr) {
        sanitizer_end(zombie_sanitizer);
        stacks.give_back(std::exchange(zombie, {}));
    }
    if (trace) call_tracer();
    if (fiber_core* const left = std::exchange(abandoned, nullptr)) {
        if (left->refs.load(std::memory_order_acquire) == 0) unreferenced(*left);
    }
}

void scheduler::empty(fiber_core& core) noexcept {
    if (!core.linked()) departing.push_back(core);
    if (core.failure) {
        report_unseen(core);
        core.failure = nullptr;
    }
    if (core.discard != nullptr) core.discard(core);
    if (core.parent != nullptr) release(*std::exchange(core.parent, nullptr));
    // Those may have made fiber_locals.
    drop_locals(core);
}

void scheduler::see_off(fiber_core& core) noexcept {
    core.unlink();
    tell_all(watching_departures);
}

fiber_core& scheduler::settle_end() {
    fiber_core& self = *current;
    const std::uint64_t id = self.id;
    fiber_core* const successor = std::exchange(heir, nullptr);
    bool unheld = self.refs.load(std::memory_order_acquire) == 0;
    if (unheld) {
        // What is the user's goes here, in a fiber that may park, that may ask for a
        // handle to itself, and that may even keep it. A parent that only this one held
        // must outlive the switch to it.
        self.refs.store(1);
        if (successor != nullptr) retain(*successor);
        empty(self);
        unheld = self.refs.fetch_sub(1) == 1;
        if (successor != nullptr) successor->refs.fetch_sub(1);
    }
    if (self.linked()) [[unlikely]]
        see_off(self);
    self.state = fiber_state::done;
    if (unheld) {
        const stack memory = self.memory;
        const sanitizer_state tools = self.sanitizer;
        self.destroy(self);
        errands = true;
        zombie = memory;
        zombie_sanitizer = tools;
    }
    left = nullptr;
    ended_id = id;
    return successor != nullptr ? *successor : next_to_run();
}

bool scheduler::wait_for_departures(std::uint64_t begin, time_point deadline) {
    struct watcher final : waiter {
        watcher()
            : waiter(
                  [](waiter& w) noexcept {
                      if (!w.linked()) return false;
                      w.unlink();
                      return true;
                  },
                  "destructors in ended fibers") {}
    };

    for (;;) {
        bool any = false;
        departing.for_each([&](const fiber_core& core) {
            any = any || (core.id >= begin && &core != current);
        });
        if (!any) return true;
        watcher w;
        watching_departures.push_back(w);
        if (!park_until(w, deadline)) return false;
    }
}

void scheduler::end_main() noexcept {
    drop_interrupts(main);
    for (fiber_core* const own : {&main, &loop}) {
        mark_done(*own);
        if (own->refs.fetch_sub(1, std::memory_order_acq_rel) == 1) {
            orphans.fetch_sub(1, std::memory_order_acq_rel);
        }
    }
}

void drop_interrupts(fiber_core& core) noexcept {
    while (!core.interrupts.empty()) {
        interrupt& i = core.interrupts.pop_front();
        if (i.drop != nullptr) i.drop(i);
    }
    if (core.extras != nullptr) core.extras->thrown_in = nullptr;
    core.exit_due = false;
    refresh_alert(core);
}

void refresh_alert(fiber_core& core) noexcept {
    // In an exception hook that must not park, each park has to look.
    const bool telling = core.home->telling && core.home->current == &core;
    core.alerted = core.cancel_due || core.exit_due || core.holds_native || telling ||
                   !core.interrupts.empty() ||
                   (core.extras != nullptr && core.extras->thrown_in != nullptr);
}

interrupt* first_due(fiber_core& core) noexcept {
    return core.interrupts.find(
        [&](const interrupt& i) { return i.depth >= core.shields; });
}

bool anything_due(fiber_core& core) noexcept {
    return core.cancel_due || (core.exit_due && core.shields == 0) ||
           first_due(core) != nullptr;
}

void scheduler::complete(fiber_core& core) noexcept {
    mark_done(core);
    if (recording_stack_use) [[unlikely]]
        stack_uses->note(core);
    if (core.layer != nullptr || core.limits > 0) [[unlikely]]
        end_scopes(core);
    if (core.alerted) [[unlikely]]
        drop_interrupts(core);
    core.unlink();
    living_count.store(living_count.load(std::memory_order_relaxed) - 1,
                       std::memory_order_relaxed);
}

void scheduler::free_block(fiber_core& core) noexcept {
    const stack memory = core.memory;
    sanitizer_state tools = core.sanitizer;
    core.destroy(core);
    sanitizer_end(tools);
    stacks.give_back(memory);
}

bool scheduler::interrupt_fiber(fiber_core& core, interrupt& i) noexcept {
    core.interrupts.push_back(i);
    core.alerted = true;
    return alert(core);
}

bool scheduler::alert(fiber_core& core) noexcept {
    const bool away =
        core.state == fiber_state::parked || core.state == fiber_state::suspended;
    if (!away || core.interrupted || core.saved_uncaught > 0) return false;
    if (!anything_due(core)) return false;
    if (core.state == fiber_state::parked && !core.waiting->abort(*core.waiting)) {
        return false;
    }
    core.interrupted = true;
    make_ready_next(core);
    return true;
}

void scheduler::unreferenced(fiber_core& core) noexcept {
    // A chain of parents goes one by one: a recursion would take stack for each.
    fiber_core* next = &core;
    while (next != nullptr) {
        fiber_core* const parent = next->parent;
        switch (next->state) {
            case fiber_state::unstarted:
                complete(*next);
                [[fallthrough]];
            case fiber_state::done:
                next->parent = nullptr;
                free_block(*next);
                next = parent != nullptr && gives_last(*parent) ? parent : nullptr;
                break;
            case fiber_state::running:
                // Its frames hold it until it leaves or ends.
                return;
            default:
                if (next->dropped != nullptr) next->dropped(*next);
                return;
        }
    }
}

void scheduler::call_tracer() noexcept {
    const fiber_core& self = *current;
    const bool thrown = self.inbound_error != nullptr || self.interrupted;
    std::exception_ptr error;
    {
        const in_flight kept(*this);
        // It may install another, and must not be gone before it has returned.
        const std::shared_ptr<tracer> running = trace;
        try {
            (*running)(thrown ? trace_event::thrown : trace_event::switched,
                       left != nullptr ? left->id : ended_id, self.id);
        } catch (...) {
            trace = nullptr;
            error = std::current_exception();
        }
    }
    if (error && !self.started && self.kind != fiber_kind::greenlet) {
        report(std::move(error), "a tracer");
    } else if (error) {
        throw_on_arrival = std::move(error);
    }
}

void release_shared(fiber_core& core) noexcept {
    if (core.home == this_scheduler) {
        if (core.refs.fetch_sub(1, std::memory_order_acq_rel) == 1) {
            core.home->unreferenced(core);
        }
        return;
    }
    unsigned refs = core.refs.load(std::memory_order_acquire);
    while (refs > 1) {
        if (core.refs.compare_exchange_weak(refs, refs - 1, std::memory_order_acq_rel,
                                            std::memory_order_acquire)) {
            return;
        }
    }
    // The last reference: it travels home and is given back there.
    scheduler& home = *core.home;
    core.open = [](letter& l) {
        auto& arrived = static_cast<fiber_core&>(l);
        if (arrived.home->closing) {
            arrived.home->free_orphan(arrived);
        } else {
            release(arrived);
        }
    };
    if (!hub_internals::send(home.owner, core)) home.free_orphan(core);
}

void scheduler::free_orphan(fiber_core& core) noexcept {
    // The blocks of the main fiber and the loop are part of this object. Stacks go with
    // the pool, when the last orphan has gone.
    if (&core != &main && &core != &loop) {
        sanitizer_state tools = core.sanitizer;
        core.destroy(core);
        sanitizer_end(tools);
    }
    if (orphans.fetch_sub(1, std::memory_order_acq_rel) == 1) {
        hub_internals::destroy(owner);
    }
}

bool fault_happens(fault what) {
    const scheduler* const s = this_scheduler;
    return s != nullptr && s->chance != nullptr && s->chance->happens(what);
}

std::string describe(fiber_kind kind,
                     std::uint64_t id,
                     std::string_view name,
                     const call_site& site) {
    std::string text = kind == fiber_kind::main       ? "main fiber "
                       : kind == fiber_kind::loop     ? "hub loop "
                       : kind == fiber_kind::greenlet ? "greenlet "
                                                      : "fiber ";
    text += std::to_string(id);
    if (!name.empty()) text.append(" '").append(name).append("'");
    if (site.line != 0) {
        text += " (made at ";
        text += site.file;
        text += ":" + std::to_string(site.line) + ")";
    }
    return text;
}

std::string describe(const fiber_core& core) {
    const bool name_at_rest = core.home == this_scheduler || core.home->closing;
    const bool has_name = name_at_rest && core.extras != nullptr;
    return describe(core.kind, core.id,
                    has_name ? std::string_view(core.extras->name) : std::string_view(),
                    core.site);
}

}  // namespace tendril::detail
