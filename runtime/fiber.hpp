// fiber.hpp - a handle to a fiber that the hub runs: wait for it, kill it, watch it
// end.
//
//     fiber<int> f = spawn([] { return 6 * 7; });
//     f.wait();                       // 42
//
// Handles are shared: copies are the same fiber. Dropping the last one neither kills
// nor detaches anything; the fiber runs on, and its result goes nowhere. If it ended
// with an exception that nobody was ever given, the exception hook is told when the
// last handle goes (greenlet_exit excepted).
//
// Thread rule: copy, drop, done(), join(), wait(), exception() and kill() on any
// thread; the rest on the fiber's own (fiber_error: wrong_thread, or thread_exited).
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <tendril/runtime/clock.hpp>
#include <tendril/runtime/detail/scheduler.hpp>
#include <tendril/runtime/detail/unique_function.hpp>
#include <tendril/runtime/error.hpp>

#include <concepts>
#include <cstdint>
#include <exception>
#include <functional>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace tendril {

// Names one link() call, for unlink().
using link_id = std::uint64_t;

namespace detail {
struct fiber_access;
}

// What fibers of all result types have in common. Comparison is identity.
class any_fiber {
  public:
    // No fiber. Everything but the comparisons, id() and operator bool throws
    // fiber_error (dead).
    any_fiber() noexcept = default;

    any_fiber(const any_fiber& other) noexcept : core_(other.core_) {
        if (core_) detail::retain(*core_);
    }

    any_fiber(any_fiber&& other) noexcept
        : core_(std::exchange(other.core_, nullptr)) {}

    any_fiber& operator=(any_fiber other) noexcept {
        std::swap(core_, other.core_);
        return *this;
    }

    ~any_fiber() {
        if (core_) detail::release(*core_);
    }

    explicit operator bool() const noexcept { return core_ != nullptr; }

    // Unique in the process; 0 for an empty handle.
    std::uint64_t id() const noexcept { return core_ ? core_->id : 0; }

    // For messages and dumps; empty if it was never given one.
    std::string name() const;
    void set_name(std::string name);

    // It has returned, thrown, or been killed.
    bool done() const;

    // Parks until it has ended, however that was. False if `deadline` came first.
    // A kill or timeout of the caller leaves the fiber as it is. Any thread.
    // THROWS  what is thrown into the caller; fiber_error: in_hub; bad_argument when a
    //         fiber waits for itself; deadlock when fibers and mutexes of one thread
    //         would wait for each other in a circle.
    bool join(time_point deadline = never) const;

    // What it ended with: null while it runs and after a return.
    std::exception_ptr exception() const;

    // Throws `error` where the fiber is parked, at once: the fiber runs, and the caller
    // gets its turn again after it and after all that were ready. A fiber may catch it
    // and go on.
    //   ended       nothing happens
    //   unstarted   its body never runs; those who wait are given `error`, the caller
    //               nothing; what the body would have used is destroyed at once
    //   ready       thrown when its turn comes, where it stands
    //   given something already (a lock, an item)
    //               thrown at its next park, so that nothing is lost
    //   unwinding   thrown at its next park after that
    //   current     thrown right here, unless it unwinds
    //   on another thread: all of this happens there, soon; the caller goes on at once
    // In a destructor or noexcept function that parks outside of any unwinding it is
    // std::terminate.
    // THROWS  fiber_error (bad_argument) for a null exception_ptr; std::bad_alloc, but
    //         never for a greenlet_exit on the same thread, so that destructors may.
    void kill(std::exception_ptr error) const;

    template <detail::exception_object E>
    void kill(E&& error) const {
        kill(detail::pointer_to(std::forward<E>(error)));
    }

    // greenlet_exit: it ends quietly. Whoever waits for its result is given that all
    // the same: `catch (const greenlet_exit&)`, which is no std::exception, or use
    // join().
    void kill() const { kill(greenlet_exit{}); }

    // Ends it as kill() does, but only if it has not started. True if so. Does not
    // park. Like link() and unlink(), on the fiber's own thread.
    // THROWS  fiber_error: wrong_thread, thread_exited, dead; bad_argument for a null
    //         exception_ptr.
    bool cancel() const { return cancel(std::make_exception_ptr(greenlet_exit{})); }

    bool cancel(std::exception_ptr error) const;

    // Calls `f` when the fiber ends, on its stack (for one that never started, on the
    // stack of its killer; for one that its thread gives up as it ends, on main's), in
    // the order linked; at once if it has ended. A link may link others to the same
    // fiber: they follow. What one throws goes to the exception hook, and the others
    // are still called. Capture a handle of the fiber if the callback needs its result.
    // THROWS  fiber_error: as cancel(), bad_argument for a null callable;
    //         std::bad_alloc.
    link_id link(detail::unique_function<void()> f) const;

    // asyncio's: has `f` called by the hub once the fiber has ended, never in here,
    // even if it has already; in the context that the caller has now. In the order
    // added, after whoever waits for the fiber. What it throws goes to the exception
    // hook. Not called any more if the fiber ends with its thread.
    // THROWS  as link().
    link_id add_done_callback(detail::unique_function<void()> f) const;

    // Takes a link back, or a done callback. False if it has been called, or is about
    // to be, or has been taken back already.
    bool unlink(link_id id) const;

    friend bool operator==(const any_fiber& a, const any_fiber& b) noexcept {
        return a.core_ == b.core_;
    }

  protected:
    // Takes over one reference.
    explicit any_fiber(detail::fiber_core* core) noexcept : core_(core) {}

    detail::fiber_core& core() const;

    // Waits; throws what the fiber ended with.
    void wait_and_rethrow() const;

    detail::fiber_core* core_ = nullptr;

  private:
    friend any_fiber current();
    friend struct detail::fiber_access;
};

// The fiber that runs: a spawned one, or the thread's main.
// THROWS  fiber_error (in_hub) in a hub callback.
any_fiber current();

// The fibers of this thread that have not ended, in the order they were spawned, also
// those that have not started. Not main, nor greenlets.
// THROWS  std::bad_alloc.
std::vector<any_fiber> all_fibers();

namespace detail {

struct scheduler;

// The block of a fiber with result R, without its callable.
template <class R>
struct result_block : fiber_core {
    std::optional<R> result;
};

template <>
struct result_block<void> : fiber_core {};

}  // namespace detail

// R: the result of the function spawned, any movable type, a reference, or void.
template <class R = void>
class fiber : public any_fiber {
    using stored =
        std::conditional_t<std::is_reference_v<R>,
                           std::reference_wrapper<std::remove_reference_t<R>>,
                           R>;

    static constexpr bool is_value = !std::is_void_v<R> && !std::is_reference_v<R>;

  public:
    fiber() noexcept = default;

    // Parks until it has ended; then returns its result, or throws what it threw, type
    // and all. Any number of fibers, of any threads, may wait, any number of times.
    // The reference lives as long as some handle.
    // REQUIRES  this handle is not destroyed meanwhile.
    // THROWS    as join(), too; fiber_error (dead) if it has been moved from, or given
    //           another fiber, meanwhile.
    std::add_lvalue_reference_t<const R> wait() const& requires is_value {
        wait_and_rethrow();
        return *kept();
    }

    // From a handle that goes away, by value: moved if it is the last one. A result
    // that cannot be copied is moved in any case, and gone for other handles.
    R wait() && requires is_value {
        wait_and_rethrow();
        auto& result = *kept();
        if constexpr (std::is_copy_constructible_v<R>) {
            if (core_->refs.load(std::memory_order_acquire) > 1) return result;
        }
        return std::move(result);
    }

    R wait() const& requires std::is_reference_v<R> {
        wait_and_rethrow();
        return *kept();
    }

    void wait() const& requires std::is_void_v<R> { wait_and_rethrow(); }

  private:
    friend struct detail::fiber_access;

    explicit fiber(detail::fiber_core* core) noexcept : any_fiber(core) {}

    // The result, unless this handle was made by a destructor that ran when nobody held
    // the fiber any more.
    std::optional<stored>& kept() const {
        auto& result = static_cast<detail::result_block<stored>&>(*core_).result;
        if (!result) [[unlikely]]
            detail::fail(errc::dead, "the result of " + describe(*core_) + " is gone");
        return result;
    }
};

namespace detail {

struct fiber_access {
    template <class R>
    static fiber<R> handle(fiber_core& core) noexcept {
        return fiber<R>(&core);
    }

    static fiber_core* core(const any_fiber& f) noexcept { return f.core_; }
};

// The end of a spawned fiber's body: its waiters, then its links, then its locals.
void finish_fiber(fiber_core& core) noexcept;

// Ends a fiber that has not started: it never will. Its links are called by the caller.
void end_unstarted(fiber_core& core, std::exception_ptr error) noexcept;

// Calls and forgets the links of a fiber that has ended.
void call_links(fiber_core& core) noexcept;

// Puts an unstarted fiber into the ready queue at `when`, unless `creator` has ended.
// THROWS  std::bad_alloc.
void start_after(fiber_core& core, time_point when, fiber_core* creator);

// `w` is woken, or told, when `core` ends; false if it has. On the thread of w's fiber.
// REQUIRES  somebody holds `core` as long as `w` stands there.
bool watch_end(fiber_core& core, waiter& w);
// False if that has happened, or is about to, already.
bool unwatch_end(fiber_core& core, waiter& w) noexcept;

// kill() without the yield: on the fiber's own thread, of another fiber than the
// current. True if it was made ready, first in line.
bool kill_here(fiber_core& core, std::exception_ptr error);

// Kills every fiber and greenlet of a thread once, and lets them run until they have
// ended, or `until`.
void kill_everything(scheduler& s, time_point until) noexcept;

}  // namespace detail
}  // namespace tendril
