// generator.hpp - a function that yields values, at any call depth; Python's generator.
//
//     generator<int> count([](auto& yield) { for (int i = 0; i < 3; ++i) yield(i); });
//     for (int i : count) std::printf("%d ", i);          // 0 1 2
//
// generator<Out, In> also takes values: yield(out) returns what send() brought, or
// nothing if it was next() that resumed it. yield may be handed down to any function
// the body calls, and a body may run another generator (recursion included).
//
// The body runs on its own stack, on the thread and in turn with whoever calls next(),
// and starts at the first call. It may park like any other code; its caller then waits.
// A generator that is destroyed half way is closed: greenlet_exit is thrown at its
// yield, so that it unwinds.
//
// Thread rule: one thread; one caller at a time (a generator that resumes itself is a
// fiber_error, parked).
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <tendril/runtime/detail/call_site.hpp>
#include <tendril/runtime/error.hpp>
#include <tendril/runtime/fiber.hpp>
#include <tendril/runtime/greenlet.hpp>

#include <concepts>
#include <cstddef>
#include <exception>
#include <functional>
#include <iterator>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>
#include <variant>

namespace tendril {

template <class Out, class In = std::monostate>
class generator {
    struct shared {
        std::optional<Out> out;
        std::optional<In> in;
        std::exception_ptr error;  // out of the body, for the caller
        greenlet<> caller;
        bool running = false;
        bool finished = false;
        bool abandoned = false;  // nobody will ask for another value
    };

  public:
    // What the body is given. Valid while the body runs.
    class yielder {
      public:
        // Hands `value` to the caller and waits to be resumed. Returns what send()
        // brought, nothing after next() and range-for.
        // THROWS  what throw_in() or close() throws in.
        std::optional<In> operator()(Out value) {
            if (state_->abandoned) throw greenlet_exit{};
            state_->out.emplace(std::move(value));
            state_->running = false;
            state_->caller.switch_to();
            return std::exchange(state_->in, std::nullopt);
        }

      private:
        friend class generator;

        explicit yielder(shared& state) : state_(&state) {}

        shared* state_;
    };

    // `body` is called with a yielder&. Nothing runs before the first next().
    // THROWS  fiber_error (bad_argument) for a null callable; std::bad_alloc.
    template <std::invocable<yielder&> F>
    explicit generator(F&& body, call_site site = call_site::current())
        : state_(std::make_shared<shared>()),
          greenlet_([state = state_,
                     body = std::decay_t<F>(
                         std::forward<F>(body))]() mutable { run(*state, body); },
                    greenlet<>::current(),
                    0,
                    site) {}

    generator(generator&&) noexcept = default;

    generator& operator=(generator&& other) noexcept {
        generator old(std::move(*this));
        state_ = std::move(other.state_);
        greenlet_ = std::move(other.greenlet_);
        return *this;
    }

    ~generator() {
        if (!greenlet_ || state_->finished) return;
        if (state_->running) {
            // Its caller was killed while the body was parked: it ends when it wakes.
            state_->abandoned = true;
            detail::kill_here(*detail::core_of(greenlet_),
                              std::make_exception_ptr(greenlet_exit{}));
            return;
        }
        try {
            close();
        } catch (...) {
            detail::report(std::current_exception(), "a generator that was dropped");
        }
    }

    // The next value, or nothing once the body has returned.
    // THROWS  what the body throws, once; after that the generator is at its end.
    std::optional<Out> next() { return resume({}); }

    // Resumes the body with `value` as the result of its yield.
    // THROWS  as next(); fiber_error (not_startable) before the first next(), when
    // there
    //         is no yield yet to give it to.
    std::optional<Out> send(In value) {
        if (!started()) {
            detail::fail(
                errc::not_startable,
                "a value was sent to a generator that has not reached a yield; "
                "call next() first");
        }
        if (!state_->finished) state_->in.emplace(std::move(value));
        return resume({});
    }

    // Throws `error` at the body's yield; returns the value it yields next, if it
    // catches that, nothing if it then returns. Before the first next() the body never
    // runs. THROWS  `error` itself, if the body lets it pass or is over.
    std::optional<Out> throw_in(std::exception_ptr error) {
        if (!error) {
            detail::fail(errc::bad_argument, "throw_in was given a null exception_ptr");
        }
        if (state_->finished) std::rethrow_exception(error);
        return resume(std::move(error));
    }

    template <class E>

    requires(!std::same_as<std::decay_t<E>, std::exception_ptr>)
        std::optional<Out> throw_in(E&& error) {
        return throw_in(std::make_exception_ptr(std::forward<E>(error)));
    }

    // Ends the body with greenlet_exit at its yield. Nothing if it is over already.
    // THROWS  what the body throws instead; fiber_error (not_parked) if it yields on.
    void close() {
        if (state_->finished) return;
        try {
            if (throw_in(greenlet_exit{})) {
                detail::fail(errc::not_parked,
                             "a generator yielded a value when closed");
            }
        } catch (const greenlet_exit&) {
            // As it should.
        }
    }

    // One pass over the values that are left.
    class iterator {
      public:
        using iterator_category = std::input_iterator_tag;
        using value_type = Out;
        using difference_type = std::ptrdiff_t;
        using pointer = const Out*;
        using reference = const Out&;

        reference operator*() const { return *value_; }

        pointer operator->() const { return &*value_; }

        iterator& operator++() {
            value_ = from_->next();
            return *this;
        }

        void operator++(int) { ++*this; }

        bool operator==(std::default_sentinel_t) const { return !value_.has_value(); }

      private:
        friend class generator;

        explicit iterator(generator& from) : from_(&from), value_(from.next()) {}

        generator* from_;
        std::optional<Out> value_;
    };

    iterator begin() { return iterator(*this); }

    std::default_sentinel_t end() const noexcept { return {}; }

  private:
    template <class F>
    static void run(shared& state, F& body) {
        yielder yield(state);
        try {
            std::invoke(body, yield);
        } catch (...) {
            state.error = std::current_exception();
        }
        state.finished = true;
        // Back to whoever asked for this value, and not to who made the generator.
        greenlet<>::current().set_parent(std::exchange(state.caller, {}));
    }

    bool started() const { return static_cast<bool>(greenlet_) || state_->finished; }

    std::optional<Out> resume(std::exception_ptr error) {
        shared& state = *state_;
        if (state.finished) return std::nullopt;
        if (std::exchange(state.running, true)) {
            detail::fail(errc::parked, "a generator was resumed while it was running");
        }
        state.out.reset();
        state.caller = greenlet<>::current();
        if (error && !started()) {
            state.finished = true;
            std::rethrow_exception(error);
        }
        if (error) {
            greenlet_.throw_in(std::move(error));
        } else {
            greenlet_.switch_to();
        }
        state.running = false;
        if (state.error) std::rethrow_exception(std::exchange(state.error, nullptr));
        return std::exchange(state.out, std::nullopt);
    }

    std::shared_ptr<shared> state_;
    greenlet<> greenlet_;
};

}  // namespace tendril
