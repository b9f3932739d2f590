// event.hpp - one result or exception, sent once, for any number of waiters.
//
//     event<std::string> answer;
//     spawn([&] { answer.send(ask()); });
//     std::string a = answer.wait();
//
// Those who wait when it is sent all get it, also if reset() and another send() follow
// before they run; those who come later get it at once. send() does not let them run
// yet.
//
// T: copyable, void by default (std::shared_ptr makes anything copyable). One
// allocation per send.
//
// Thread rule: any fiber of any thread; all but wait also from hub callbacks.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <tendril/runtime/clock.hpp>
#include <tendril/runtime/error.hpp>
#include <tendril/sync/wait_queue.hpp>

#include <chrono>
#include <concepts>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <type_traits>
#include <utility>
#include <variant>

namespace tendril {

template <class T = void>
class event {
    using value = std::conditional_t<std::is_void_v<T>, std::monostate, T>;

    struct outcome {
        std::optional<value> result;
        std::exception_ptr error;
    };

    using shared_outcome = std::shared_ptr<const outcome>;

  public:
    event() = default;
    event(const event&) = delete;
    event& operator=(const event&) = delete;
    // REQUIRES  every wait has come back.
    ~event() = default;

    // Sends `result` and makes all who wait ready. Does not park.
    // THROWS  fiber_error (already_set) if something was sent before and not reset.
    template <class U = value>
    void send(U&& result = U{}) {
        // In place: what is sent may be an optional, and empty.
        publish(
            {std::optional<value>(std::in_place, std::forward<U>(result)), nullptr});
    }

    // The same with an exception, which wait() and poll() throw.
    // THROWS  also fiber_error (bad_argument) for a null exception_ptr.
    void send_exception(std::exception_ptr error) {
        if (!error)
            detail::fail(errc::bad_argument, "an event was sent a null exception");
        publish({std::nullopt, std::move(error)});
    }

    template <detail::exception_object E>
    void send_exception(E&& error) {
        send_exception(detail::pointer_to(std::forward<E>(error)));
    }

    // What was sent; parks until then.
    // THROWS  the exception that was sent; what is thrown into the fiber; fiber_error
    //         (in_hub) when it would have to park in a hub callback.
    T wait() {
        if constexpr (std::is_void_v<T>) {
            take(*await(never));
        } else {
            return take(*await(never));
        }
    }

    // The same, but nothing (false for event<void>) when the time is over first.
    auto wait_until(time_point deadline) { return maybe(await(deadline)); }

    template <class Rep, class Period>
    auto wait_for(std::chrono::duration<Rep, Period> d) {
        return wait_until(detail::from_now(d));
    }

    // What was sent, if it was; never parks.
    // THROWS  the exception that was sent.
    auto poll() const { return maybe(sent()); }

    bool ready() const noexcept { return sent() != nullptr; }

    bool has_result() const noexcept {
        const shared_outcome s = sent();
        return s && s->result;
    }

    bool has_exception() const noexcept {
        const shared_outcome s = sent();
        return s && s->error;
    }

    // As new: the next send() is the first. What waiters were sent is theirs.
    // THROWS  fiber_error (unset) if nothing was sent.
    void reset() {
        shared_outcome old;  // destroyed without the lock: that may run user code
        {
            const std::lock_guard held(lock_);
            old.swap(sent_);
        }
        if (!old) detail::fail(errc::unset, "an event was reset that was never sent");
    }

  private:
    struct waiting final : wait_queue::place {
        waiting() : place("event") {}

        shared_outcome received;
    };

    void publish(outcome o) {
        auto news = std::make_shared<const outcome>(std::move(o));
        wait_queue::taken woken;
        std::unique_lock held(lock_);
        if (sent_) {
            held.unlock();
            detail::fail(errc::already_set,
                         "an event was sent twice without a reset()");
        }
        sent_ = std::move(news);
        while (!line_.empty()) {
            auto& next = static_cast<waiting&>(line_.take_first());
            next.received = sent_;
            woken.add(next);
        }
    }

    shared_outcome await(time_point deadline) {
        auto held = wait_queue::hold_to_wait(lock_);
        if (sent_) return sent_;
        waiting here;
        line_.wait(held, here, deadline);
        return std::move(here.received);
    }

    shared_outcome sent() const noexcept {
        const std::lock_guard held(lock_);
        return sent_;
    }

    static const value& take(const outcome& o) {
        if (o.error) std::rethrow_exception(o.error);
        return *o.result;
    }

    static auto maybe(const shared_outcome& o) {
        if constexpr (std::is_void_v<T>) {
            if (o) take(*o);
            return o != nullptr;
        } else {
            return o ? std::optional<T>(take(*o)) : std::nullopt;
        }
    }

    mutable wait_queue::lock lock_;
    wait_queue line_;
    shared_outcome sent_;
};

}  // namespace tendril
