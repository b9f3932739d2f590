// greenlet.hpp - the raw coroutine: whoever runs says who runs next.
//
// No hub, no clock, no scheduling: control moves only by switch_to(), throw_in() and
// the end of a body, which goes to the parent. This is Python's greenlet; where
// behaviour is not spelled out here it is greenlet's own.
//
//     greenlet<> a, b;
//     a = greenlet<>([&] { std::puts("a1"); b.switch_to(); std::puts("a2"); });
//     b = greenlet<>([&] { std::puts("b1"); a.switch_to(); std::puts("never"); });
//     a.switch_to();          // a1, b1, a2; then a ends, and here we are again
//
// greenlet<T> carries a value of type T across each switch, in both directions. The
// value that switch_to() returns is from whoever switches back, not from the one
// called.
//
//     greenlet<int> twice([](int x) {
//         for (;;) x = greenlet<int>::current().parent().switch_to(2 * x);
//     });
//     twice.switch_to(21);    // 42
//
// Where a body's end goes:
//   returned value      to the parent; its switch_to() returns it
//   exception           to the parent; it is thrown out of its switch_to()
//   greenlet_exit       to the parent, as a value: T{}
// A dead parent is skipped upwards. An unstarted one is started with the value; an
// exception ends it without running it, and goes on to its own parent. If the first
// ancestor that is alive waits for something else (it sleeps, say), or there is none,
// control goes to the hub and an exception to the exception hook.
//
// Handles are shared: copies are the same greenlet. When the last handle of a suspended
// one is dropped, greenlet_exit is thrown into it, at once, so that it unwinds; from
// another thread, as soon as its own hub gets to it. A greenlet whose turn comes by the
// hub (it sleeps, or waits for I/O) is kept alive by that.
//
// A greenlet holds its parent. So one that keeps a handle to itself, or to a child of
// its own, in its frames is never dropped; it ends with its thread at the latest.
//
// A greenlet may call everything that parks: then it is woken by the hub, and a raw
// switch to it meanwhile is an error, since it would return from a wait that goes on.
//
// Thread rule: handles may be copied and dropped anywhere; the rest only on the thread
// that made the greenlet (fiber_error, wrong_thread or thread_exited).
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <tendril/runtime/detail/fiber_core.hpp>
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

namespace tendril {

class greenlet_ref;

namespace detail {
fiber_core* core_of(const greenlet_ref& ref) noexcept;
}

// What greenlets of all value types have in common: a shared handle. Comparison is
// identity.
class greenlet_ref {
  public:
    // No greenlet.
    greenlet_ref() noexcept = default;

    greenlet_ref(const greenlet_ref& other) noexcept : core_(other.core_) {
        if (core_) detail::retain(*core_);
    }

    greenlet_ref(greenlet_ref&& other) noexcept
        : core_(std::exchange(other.core_, nullptr)) {}

    greenlet_ref& operator=(greenlet_ref other) noexcept {
        std::swap(core_, other.core_);
        return *this;
    }

    ~greenlet_ref() {
        if (core_) detail::release(*core_);
    }

    // The one that runs now: a greenlet, a fiber, or the thread's main.
    static greenlet_ref current();

    // Started and not dead.
    explicit operator bool() const noexcept;

    // Its body is over, or its thread is.
    bool dead() const noexcept;

    // Where control goes when it ends; empty for a main greenlet.
    greenlet_ref parent() const;

    // THROWS  fiber_error: cyclic_parent; bad_argument for an empty parent, or if it is
    //         a main greenlet or a spawned fiber; wrong_thread for a started greenlet
    //         and a parent of another thread (an unstarted one then fails to start).
    void set_parent(const greenlet_ref& parent);

    // Unique in the process; 0 for an empty handle.
    std::uint64_t id() const noexcept { return core_ ? core_->id : 0; }

    // "greenlet 7 (made at demo.cpp:12), suspended"; see greenlet's repr().
    std::string repr() const;

    friend bool operator==(const greenlet_ref& a, const greenlet_ref& b) noexcept {
        return a.core_ == b.core_;
    }

  protected:
    friend detail::fiber_core* detail::core_of(const greenlet_ref& ref) noexcept;

    // Takes over one reference.
    explicit greenlet_ref(detail::fiber_core* core) noexcept : core_(core) {}

    detail::fiber_core* core_ = nullptr;
};

namespace detail {

inline fiber_core* core_of(const greenlet_ref& ref) noexcept {
    return ref.core_;
}

// THROWS  fiber_error: thread_exited or wrong_thread, "cannot <cannot> greenlet 7, ..."
[[noreturn]] void fail_thread(const fiber_core& core, const char* cannot);

inline void require_own_thread(const fiber_core& core,
                               const char* cannot = "switch to") {
    if (core.home != this_scheduler) [[unlikely]]
        fail_thread(core, cannot);
}

// The greenlet that a switch to `target` reaches: itself, or when it is dead its
// nearest live ancestor. THROWS as switch_to() does.
fiber_core& receiver_of(fiber_core* target);

// The first ancestor of `core` that waits for a switch; null if the hub has to take
// over.
fiber_core* heir_of(const fiber_core& core) noexcept;

// Leaves the current greenlet for `to`, which must be resumable by a raw switch.
// THROWS what the one that switches back throws in here.
void raw_switch(fiber_core& to);

// The leaving alone: after_raw_switch() is for the caller to call. This one may be a
// greenlet that nobody holds.
void leave_for(fiber_core& to);

// What the current greenlet does once a raw switch has come back to it.
void after_raw_switch(fiber_core& self);

// Throws `error` into `target` as throw_in() says; returns when switched back to.
void raw_throw(fiber_core* target, std::exception_ptr error);

// The end of a greenlet's body: settles where control goes. `give_value` leaves the
// result in the inbox of the one chosen, if there is one to take it; `discard` destroys
// what is left of it, which may switch.
void finish_greenlet(fiber_core& self,
                     std::exception_ptr error,
                     unique_function<void(fiber_core&)> give_value,
                     unique_function<void()> discard);

// Throws greenlet_exit into `core` at `at`: where it is suspended itself, or waits for.
// The current greenlet is its parent for the time being, so that control comes back.
// What comes back with it is nobody's: a value is dropped, an exception reported; what
// was thrown into the current greenlet meanwhile stays for its next park.
void exit_dropped(fiber_core& core, fiber_core& at) noexcept;

// That did not end it.
void report_lost(const fiber_core& core) noexcept;

// A suspended greenlet's last handle is gone.
void kill_dropped(fiber_core& core) noexcept;

fiber_core& init_greenlet(fiber_core& core, fiber_core* parent);

// Leaves `value` for `to` to find when it resumes.
// THROWS  fiber_error (value_type) if it waits for another type.
template <class T>
void give(fiber_core& to, T&& value) {
    using Value = std::remove_cvref_t<T>;
    if (to.inbox == nullptr) return;  // takes no value: dropped, as in a plain function
    if (*to.awaits != typeid(Value)) {
        fail(errc::value_type, "a value of type " + type_name(typeid(Value)) +
                                   " was sent to " + describe(to) +
                                   ", which waits for one of type " +
                                   type_name(*to.awaits));
    }
    static_cast<std::optional<Value>*>(to.inbox)->emplace(std::forward<T>(value));
}

// The block of a greenlet<T>: its callable and the value that starts it.
template <class T, class F>
struct greenlet_block final : fiber_core {
    template <class G>
    explicit greenlet_block(G&& g) : f(std::in_place, std::forward<G>(g)) {
        inbox = &argument;
        awaits = &typeid(T);
        body = run;
        discard = [](fiber_core& core) noexcept {
            auto& self = static_cast<greenlet_block&>(core);
            self.f.reset();
            self.argument.reset();
        };
    }

    greenlet_block(const greenlet_block&) = delete;
    greenlet_block& operator=(const greenlet_block&) = delete;

    ~greenlet_block() = default;

    static void run(fiber_core& core) {
        auto& self = static_cast<greenlet_block&>(core);
        std::optional<T> result;
        std::exception_ptr error;
        self.inbox = nullptr;
        try {
            after_raw_switch(self);
            result.emplace(self.call());
        } catch (...) {
            error = std::current_exception();
        }
        self.f.reset();
        finish_greenlet(
            self, std::move(error),
            [&](fiber_core& to) {
                if (result) give(to, std::move(*result));
            },
            [&] { result.reset(); });
    }

    T call() {
        T first = argument ? std::move(*argument) : T{};
        argument.reset();
        if constexpr (std::is_invocable_v<F&, T>) {
            return result_of(*f, std::move(first));
        } else {
            return result_of(*f);
        }
    }

    template <class... Args>
    static T result_of(F& f, Args&&... args) {
        if constexpr (std::is_void_v<std::invoke_result_t<F&, Args...>>) {
            std::invoke(f, std::forward<Args>(args)...);
            return T{};
        } else {
            return std::invoke(f, std::forward<Args>(args)...);
        }
    }

    std::optional<F> f;
    std::optional<T> argument;
};

template <class F>
struct greenlet_block<void, F> final : fiber_core {
    template <class G>
    explicit greenlet_block(G&& g) : f(std::in_place, std::forward<G>(g)) {
        body = run;
        discard = [](fiber_core& core) noexcept {
            static_cast<greenlet_block&>(core).f.reset();
        };
    }

    greenlet_block(const greenlet_block&) = delete;
    greenlet_block& operator=(const greenlet_block&) = delete;

    ~greenlet_block() = default;

    static void run(fiber_core& core) {
        auto& self = static_cast<greenlet_block&>(core);
        std::exception_ptr error;
        try {
            after_raw_switch(self);
            std::invoke(*self.f);
        } catch (...) {
            error = std::current_exception();
        }
        self.f.reset();
        finish_greenlet(self, std::move(error), {}, {});
    }

    std::optional<F> f;
};

// Makes the block of a greenlet; the reference returned is the caller's.
template <class T, class F>
fiber_core& make_greenlet(F&& f, fiber_core* parent, std::size_t size, call_site site) {
    using Callable = std::decay_t<F>;
    const auto& callable = f;
    if (is_null_callable(callable)) {
        fail(errc::bad_argument, "a greenlet was given nothing to run");
    }
    return init_greenlet(make_core<greenlet_block<T, Callable>>(
                             fiber_kind::greenlet, size, site, std::forward<F>(f)),
                         parent);
}

template <class F>
concept greenlet_body = !std::derived_from<std::remove_cvref_t<F>, greenlet_ref>;

template <class V>
concept not_void = !std::is_void_v<V>;

}  // namespace detail

// T: movable, and default-constructible: T{} is what arrives when nobody has sent a
// value, as when a greenlet ends by greenlet_exit.
template <class T = void>
class greenlet : public greenlet_ref {
    static_assert(
        std::is_void_v<T> || std::default_initializable<T>,
        "T{} stands for 'no value': when a greenlet ends by greenlet_exit, say");

  public:
    // An empty handle; switching to it is a fiber_error (not_startable).
    greenlet() noexcept = default;

    // An unstarted greenlet that will call `run` with the first value switched to it
    // (T run(T); for T = void, or if it takes none, run()). The parent is the greenlet
    // that makes it. Nothing runs yet. Takes a stack from the pool: see stack.hpp.
    // THROWS  fiber_error (bad_argument) for a null callable; std::bad_alloc.
    template <detail::greenlet_body F>
    explicit greenlet(F&& run, call_site site = call_site::current())
        : greenlet_ref(
              &detail::make_greenlet<T>(std::forward<F>(run), nullptr, 0, site)) {}

    // The same with a parent of one's own, and a stack of `stack_size` bytes (0:
    // default).
    template <class F>
    greenlet(F&& run,
             const greenlet_ref& parent,
             std::size_t stack_size = 0,
             call_site site = call_site::current())
        : greenlet_ref(&detail::make_greenlet<T>(
              std::forward<F>(run), parent_core(parent), stack_size, site)) {}

    static greenlet current() { return greenlet(greenlet_ref::current()); }

    // Where control goes when it ends, as a greenlet that waits for T; empty for main.
    greenlet parent() const& { return greenlet(greenlet_ref::parent()); }

    // From a temporary, which is given up first: current().parent().switch_to() leaves
    // no handle to oneself on one's own stack, which would keep one alive for ever.
    greenlet parent() && {
        greenlet up(greenlet_ref::parent());
        *this = {};
        return up;
    }

    // Runs it: starts it with `value`, or makes its own switch_to() return `value`.
    // Returns when somebody switches back, with the value they brought, or T{}. A dead
    // greenlet passes the value on to its nearest live ancestor; the current one gives
    // it straight back.
    // THROWS  whatever is thrown into the caller meanwhile; fiber_error: wrong_thread,
    //         thread_exited, not_startable (empty handle), parked (it waits for the
    //         hub), value_type (it waits for another type; nothing has happened then).
    // A kill or timeout of a fiber that is away in here is thrown out of here.
    template <detail::not_void V = T>
    V switch_to(std::type_identity_t<V> value) {
        detail::fiber_core& to = detail::receiver_of(core_);
        detail::fiber_core& self = *detail::this_scheduler->current;
        if (&to == &self) return value;
        detail::give(to, std::move(value));
        return resume([&] { detail::raw_switch(to); }, self);
    }

    void switch_to() requires std::is_void_v<T> {
        detail::fiber_core& to = detail::receiver_of(core_);
        if (&to != detail::this_scheduler->current) detail::raw_switch(to);
    }

    // Throws `error` where it is suspended; returns as switch_to() does. An unstarted
    // one ends without running, and the error goes on to its parent. For a dead one the
    // error goes to its nearest live ancestor. THROWS  as switch_to(), and fiber_error
    // (bad_argument) for a null exception_ptr.
    // NOLINTNEXTLINE(performance-unnecessary-value-param): moved on, in the lambda
    T throw_in(std::exception_ptr error) {
        detail::fiber_core& self = *detail::current_scheduler().current;
        return resume([&] { detail::raw_throw(core_, std::move(error)); }, self);
    }

    template <detail::exception_object E>
    T throw_in(E&& error) {
        return throw_in(detail::pointer_to(std::forward<E>(error)));
    }

    // greenlet_exit: it ends quietly, unless it catches that.
    T throw_in() { return throw_in(greenlet_exit{}); }

  private:
    explicit greenlet(greenlet_ref&& ref) noexcept : greenlet_ref(std::move(ref)) {}

    static detail::fiber_core* parent_core(const greenlet_ref& parent) {
        detail::fiber_core* const core = detail::core_of(parent);
        if (core == nullptr) {
            detail::fail(errc::bad_argument, "a greenlet was given an empty parent");
        }
        return core;
    }

    template <class Leave>
    static T resume(Leave leave, detail::fiber_core& self) {
        if constexpr (std::is_void_v<T>) {
            leave();
        } else {
            std::optional<T> received;

            struct inbox_for_now {
                detail::fiber_core& self;

                ~inbox_for_now() { self.inbox = nullptr; }
            } const guard{self};

            self.inbox = &received;
            self.awaits = &typeid(T);
            leave();
            return received ? std::move(*received) : T{};
        }
    }
};

}  // namespace tendril
