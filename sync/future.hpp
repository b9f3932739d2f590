// future.hpp - the result of work that is done elsewhere: on another hub, in a thread
// pool, in another process.
//
//     future<int> answer = spawn_on(there, [] { return 6 * 7; });
//     answer.wait();                  // 42; parks this fiber, of whatever thread
//
// It is to such work what fiber<R> is to a fiber of this thread: wait() gives the
// result or throws what was thrown, type and all, any number of times, to any number of
// fibers. A thread without fibers waits in the same way (its main() is one).
//
// Handles are shared: copies are the same work. Dropping the last one does not end it.
// If it ended with an exception that nobody was ever given, the exception hook is told
// when the last handle goes (greenlet_exit excepted).
//
// Thread rule: any thread, except that a handle itself is not to be assigned while
// another thread reads it.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <tendril/runtime/clock.hpp>
#include <tendril/runtime/detail/sanitizer.hpp>
#include <tendril/runtime/detail/unique_function.hpp>
#include <tendril/runtime/error.hpp>
#include <tendril/sync/wait_queue.hpp>

#include <atomic>
#include <chrono>
#include <concepts>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>
#include <variant>

namespace tendril {

template <class R>
class future;

namespace detail {

// What is shared by those who wait and whoever does the work, whatever the result.
class future_core {
  public:
    // Asks whoever does the work to stop; true if that has been arranged. Any thread.
    using canceller = unique_function<bool()>;

    future_core() = default;
    future_core(const future_core&) = delete;
    future_core& operator=(const future_core&) = delete;
    ~future_core();

    // REQUIRES  before it is shared.
    void set_canceller(canceller c) noexcept { cancel_ = std::move(c); }

    bool done() const noexcept { return done_.load(std::memory_order_acquire); }

    bool join(time_point deadline);

    bool cancel() { return !done() && cancel_ && cancel_(); }

    // Null unless it is over, and ended so. Counts as given to somebody.
    std::exception_ptr error() noexcept;

    // Its failure, past or to come, is nobody's concern.
    void forgive() noexcept { error_seen_.store(true); }

    // It is over. Before that, whoever does the work has put the result in place. The
    // first end counts; what comes later goes nowhere.
    void complete(std::exception_ptr error) noexcept;

    // Other threads do the work: see waits_elsewhere. REQUIRES  before it is shared.
    void set_elsewhere() noexcept { elsewhere_ = true; }

    bool elsewhere() const noexcept { return elsewhere_; }

    // `w.told` is called, under a lock, when it ends; false if it has.
    bool watch(waiter& w);
    void unwatch(waiter& w) noexcept;

  private:
    wait_queue::lock lock_;
    wait_queue line_;
    intrusive_list<waiter> watches_;
    bool elsewhere_ = false;
    std::atomic<bool> done_{false};
    std::atomic<bool> error_seen_{false};
    std::exception_ptr error_;
    canceller cancel_;
};

template <class R>
using kept_value = std::conditional_t<
    std::is_void_v<R>,
    std::monostate,
    std::conditional_t<std::is_reference_v<R>,
                       std::reference_wrapper<std::remove_reference_t<R>>,
                       R>>;

template <class R>
struct future_state final : future_core {
    std::optional<kept_value<R>> value;
};

struct future_access;

// The end that whoever does the work holds. If it goes before there was a result, those
// who have a future are given fiber_error (abandoned).
template <class R>
class promise {
  public:
    promise() : state_(std::make_shared<future_state<R>>()) {}

    promise(promise&&) noexcept = default;
    promise& operator=(promise&&) = delete;
    promise(const promise&) = delete;
    promise& operator=(const promise&) = delete;

    ~promise() {
        if (state_ && state_.use_count() > 1) state_->complete(abandoned());
    }

    future<R> get_future() const noexcept;

    void set_canceller(future_core::canceller c) noexcept {
        state_->set_canceller(std::move(c));
    }

    void fail(std::exception_ptr error) noexcept {
        std::exchange(state_, nullptr)->complete(std::move(error));
    }

    template <class... Value>
    void keep(Value&&... value) {
        state_->value.emplace(std::forward<Value>(value)...);
        std::exchange(state_, nullptr)->complete(nullptr);
    }

    // Keeps what f() returns or throws. What the work consists of should be gone when
    // those who wait go on: destroy it by `discard`, which is called before.
    template <class F, class Discard>
    void keep_result_of(F& f, Discard discard) noexcept {
        std::exception_ptr error;
        try {
            if constexpr (std::is_void_v<R>) {
                std::invoke(f);
                state_->value.emplace();
            } else {
                state_->value.emplace(std::invoke(f));
            }
        } catch (...) {
            error = std::current_exception();
        }
        discard();
        std::exchange(state_, nullptr)->complete(std::move(error));
    }

  private:
    static std::exception_ptr abandoned() noexcept;

    std::shared_ptr<future_state<R>> state_;
};

std::exception_ptr abandoned_error() noexcept;

// The count was seen to be 1, which does not tell the memory that whoever else has read
// the result has dropped its handle.
template <class State>
void acquire_from_dropped(
    [[maybe_unused]] const std::shared_ptr<State>& last) noexcept {
#if defined(TENDRIL_TSAN)
    // It knows no fences, but what the count is changed by.
    const auto counted = last;
#else
    std::atomic_thread_fence(std::memory_order_acquire);
#endif
}

template <class R>
std::exception_ptr promise<R>::abandoned() noexcept {
    return abandoned_error();
}

}  // namespace detail

// R: any movable type, a reference, or void.
template <class R = void>
class future {
    static constexpr bool is_value = !std::is_void_v<R> && !std::is_reference_v<R>;

  public:
    // No work. Everything but operator bool and the comparison throws fiber_error
    // (dead).
    future() noexcept = default;

    explicit operator bool() const noexcept { return state_ != nullptr; }

    bool done() const { return state().done(); }

    // Parks until it is over, however it ended; false if `deadline` came first. A kill
    // or timeout of the caller leaves the work as it is.
    // THROWS  what is thrown into the caller; fiber_error (in_hub).
    bool join(time_point deadline = never) const { return state().join(deadline); }

    template <class Rep, class Period>
    bool join_for(std::chrono::duration<Rep, Period> d) const {
        return join(detail::from_now(d));
    }

    // The same, then the result. The reference lives as long as some handle.
    // THROWS  as join(); what the work threw: greenlet_exit if it was cancelled,
    //         fiber_error (abandoned) if whoever was to do it went first.
    std::add_lvalue_reference_t<const R> wait() const& requires is_value {
        return finished();
    }

    // From a handle that goes away, by value: moved if it is the last one, or if it
    // cannot be copied.
    R wait() && requires is_value {
        auto& result = finished();
        if constexpr (std::is_copy_constructible_v<R>) {
            if (state_.use_count() > 1) return result;
            detail::acquire_from_dropped(state_);
        }
        return std::move(result);
    }

    R wait() const& requires std::is_reference_v<R> { return finished(); }

    void wait() const& requires std::is_void_v<R> { finished(); }

    // What it ended with: null while it goes on and after a return.
    std::exception_ptr exception() const { return state().error(); }

    // Asks for its end: true if that has been arranged. What has begun may go on, as
    // the header of what made it says. Does not park.
    bool cancel() const { return state().cancel(); }

    friend bool operator==(const future& a, const future& b) noexcept {
        return a.state_ == b.state_;
    }

  private:
    friend struct detail::future_access;
    friend class detail::promise<R>;

    explicit future(std::shared_ptr<detail::future_state<R>> state) noexcept
        : state_(std::move(state)) {}

    detail::future_state<R>& state() const {
        if (!state_) detail::fail(errc::dead, "an empty future was used");
        return *state_;
    }

    detail::kept_value<R>& finished() const {
        // Held, since this handle may be given other work meanwhile.
        const auto held = state_;
        state().join(never);
        if (auto error = held->error()) std::rethrow_exception(std::move(error));
        return *held->value;
    }

    std::shared_ptr<detail::future_state<R>> state_;
};

namespace detail {

template <class R>
future<R> promise<R>::get_future() const noexcept {
    return future<R>(state_);
}

struct future_access {
    template <class R>
    static std::shared_ptr<future_core> core(const future<R>& f) noexcept {
        return f.state_;
    }

    // The result, moved out: for who knows that nobody else has a handle.
    template <class R>
    static R take(const future<R>& f) {
        if constexpr (std::is_void_v<R>) {
            f.finished();
        } else if constexpr (std::is_reference_v<R>) {
            return f.finished();
        } else {
            return std::move(f.finished());
        }
    }
};

}  // namespace detail
}  // namespace tendril
