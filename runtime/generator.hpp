// generator.hpp - a function that yields values, at any call depth; Python's generator.
//
//     generator<int> count([](auto& yield) { for (int i = 0; i < 3; ++i) yield(i); });
//     for (int i : count) std::printf("%d ", i);          // 0 1 2
//
// generator<Out, In> also takes values: yield(out) returns what send() brought, or
// nothing if it was next() that resumed it. yield may be handed down to any function
// the body calls, and a body may run another generator (recursion included), whose body
// may yield for the outer one.
//
// The body runs on its own stack, on the thread and in turn with whoever calls next(),
// and starts at the first call. It may park like any other code; its caller then waits.
// A caller that is killed or times out meanwhile leaves the body to its wait, and what
// the body yields then to the next call of next().
// Its stack has the thread's default size, see stack.hpp.
//
// A generator that is destroyed half way is closed: greenlet_exit is thrown at its
// yield, or out of what it waits for, so that it unwinds.
//
// Thread rule: one thread (fiber_error, wrong_thread or thread_exited), except that it
// may be destroyed on another: then it is closed when its own hub gets to it. One
// caller at a time: a generator that is resumed while it runs or waits is a fiber_error
// (parked).
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <tendril/runtime/detail/call_site.hpp>
#include <tendril/runtime/detail/fiber_core.hpp>
#include <tendril/runtime/detail/scheduler.hpp>
#include <tendril/runtime/error.hpp>
#include <tendril/runtime/fiber.hpp>
#include <tendril/runtime/greenlet.hpp>

#include <concepts>
#include <cstddef>
#include <exception>
#include <functional>
#include <iterator>
#include <optional>
#include <type_traits>
#include <utility>
#include <variant>

namespace tendril {

template <class Out, class In = std::monostate>
class generator;

namespace detail {

class inner_yield;

// What the body of a generator and its callers share, whatever the types.
struct generator_core : fiber_core {
    fiber_core* caller = nullptr;  // waits in enter_generator()
    inner_yield* inner = nullptr;  // the body of an inner generator is at the yield
    std::exception_ptr error;      // out of the body, for the caller
    bool running = false;          // resumed, and not at a yield again
    bool finished = false;         // the body is over, or will never run
    bool unowned = false;          // the generator object is gone
    bool exit_sent = false;        // and the body has been told
};

generator_core& init_generator(generator_core& core) noexcept;

// From resume(), with what is to be thrown at the yield, if anything. Returns when the
// body has yielded or ended.
// THROWS  what is thrown into the caller meanwhile; fiber_error (in_hub) in a hub
//         callback if the body parks.
void enter_generator(generator_core& core, std::exception_ptr error);

// From a yield: to the caller, or to the hub if it has left meanwhile. Returns when
// resumed. THROWS  what is thrown in.
void leave_generator(generator_core& core);

// The end of the body: settles where control goes.
void finish_generator(generator_core& core) noexcept;

// The end of the generator object.
void drop_generator(generator_core& core) noexcept;

void kill_dropped_generator(fiber_core& core) noexcept;

// The checks of those who would resume it, and of those who would yield for it.
void require_idle(const generator_core* core);
void require_yield(const generator_core& core);

template <class Out, class In>
struct typed_generator_core : generator_core {
    std::optional<Out> out;
    std::optional<In> in;
};

// The block of a generator: its callable at the top of its own stack.
template <class Out, class In, class F>
struct generator_block final : typed_generator_core<Out, In> {
    template <class G>
    explicit generator_block(G&& g) : f(std::in_place, std::forward<G>(g)) {
        this->body = run;
        this->discard = [](fiber_core& core) noexcept {
            auto& self = static_cast<generator_block&>(core);
            self.f.reset();
            self.out.reset();
            self.in.reset();
        };
    }

    static void run(fiber_core& core) {
        auto& self = static_cast<generator_block&>(core);
        try {
            after_raw_switch(self);
            typename generator<Out, In>::yielder yield(self);
            std::invoke(*self.f, yield);
        } catch (...) {
            self.error = std::current_exception();
        }
        self.f.reset();
        finish_generator(self);
    }

    std::optional<F> f;
};

}  // namespace detail

template <class Out, class In>
class generator {
    using core = detail::typed_generator_core<Out, In>;

  public:
    // What the body is given. Valid while the body runs.
    class yielder {
      public:
        // Hands `value` to the caller and waits to be resumed. Returns what send()
        // brought, nothing after next() and range-for.
        // THROWS  what throw_in() or close() throws in; fiber_error: not_parked if
        //         neither the body calls it nor a generator that the body waits for;
        //         wrong_thread.
        std::optional<In> operator()(Out value) {
            detail::require_yield(*core_);
            core_->out.emplace(std::move(value));
            detail::leave_generator(*core_);
            return std::exchange(core_->in, std::nullopt);
        }

      private:
        template <class, class, class>
        friend struct detail::generator_block;

        explicit yielder(core& c) : core_(&c) {}

        core* core_;
    };

    // `body` is called with a yielder&. Nothing runs before the first next().
    // THROWS  fiber_error (bad_argument) for a null callable; std::bad_alloc.
    template <std::invocable<yielder&> F>
    explicit generator(F&& body, call_site site = call_site::current()) {
        const auto& callable = body;
        if (detail::is_null_callable(callable)) {
            detail::fail(errc::bad_argument, "a generator was given nothing to run");
        }
        core_ = &detail::make_core<detail::generator_block<Out, In, std::decay_t<F>>>(
            detail::fiber_kind::greenlet, 0, site, std::forward<F>(body));
        detail::init_generator(*core_);
    }

    generator(generator&& other) noexcept
        : core_(std::exchange(other.core_, nullptr)) {}

    generator& operator=(generator&& other) noexcept {
        const generator old(std::move(*this));
        core_ = std::exchange(other.core_, nullptr);
        return *this;
    }

    ~generator() {
        if (core_ != nullptr) detail::drop_generator(*core_);
    }

    // The next value, or nothing once the body has returned.
    // THROWS  what the body throws, once; after that the generator is at its end.
    //         What is thrown into the caller while the body parks; fiber_error (in_hub)
    //         if it parks under a hub callback.
    std::optional<Out> next() {
        core& c = idle_core();
        // Of a next() whose caller had to leave.
        if (c.out) return std::exchange(c.out, std::nullopt);
        c.in.reset();  // of a send() that was interrupted
        return resume(c, {});
    }

    // Resumes the body with `value` as the result of its yield.
    // THROWS  as next(); fiber_error (not_startable) before the first next(), when
    //         there is no yield yet to give it to.
    std::optional<Out> send(In value) {
        core& c = idle_core();
        if (!c.started && !c.finished) {
            detail::fail(errc::not_startable,
                         "a value was sent to a generator that has not reached a "
                         "yield; call next() first");
        }
        if (!c.finished) c.in.emplace(std::move(value));
        return resume(c, {});
    }

    // Throws `error` at the body's yield; returns the value it yields next, if it
    // catches that, nothing if it then returns. Before the first next() the body never
    // runs. THROWS  `error` itself, if the body lets it pass or is over.
    std::optional<Out> throw_in(std::exception_ptr error) {
        core& c = idle_core();
        if (!error) {
            detail::fail(errc::bad_argument, "throw_in was given a null exception_ptr");
        }
        if (!c.started) c.finished = true;
        if (c.finished) std::rethrow_exception(std::move(error));
        return resume(c, std::move(error));
    }

    template <detail::exception_object E>

    std::optional<Out> throw_in(E&& error) {
        return throw_in(detail::pointer_to(std::forward<E>(error)));
    }

    // Ends the body with greenlet_exit at its yield. Nothing if it is over already.
    // THROWS  what the body throws instead; fiber_error (not_parked) if it yields on.
    void close() {
        core& c = idle_core();
        if (!c.started) c.finished = true;
        if (c.finished) return;
        const dropped_when_unowned guard{c};
        // Out of here comes what is the caller's own.
        enter(c, std::make_exception_ptr(greenlet_exit{}));
        try {
            if (!result_of(c)) return;
        } catch (const greenlet_exit&) {
            return;
        }
        detail::fail(errc::not_parked, "a generator yielded a value when closed");
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
    core& idle_core() const {
        detail::require_idle(core_);
        return *core_;
    }

    struct dropped_when_unowned {
        core& c;

        ~dropped_when_unowned() {
            if (c.unowned) [[unlikely]]
                detail::release(c);
        }
    };

    // NOLINTNEXTLINE(performance-unnecessary-value-param): moved on
    static std::optional<Out> resume(core& c, std::exception_ptr error) {
        const dropped_when_unowned guard{c};
        enter(c, std::move(error));
        return result_of(c);
    }

    // THROWS  what is thrown into the caller.
    // NOLINTNEXTLINE(performance-unnecessary-value-param): moved on
    static void enter(core& c, std::exception_ptr error) {
        c.out.reset();
        if (!c.finished) detail::enter_generator(c, std::move(error));
    }

    // THROWS  what came out of the body.
    static std::optional<Out> result_of(core& c) {
        if (c.error) std::rethrow_exception(std::exchange(c.error, nullptr));
        return std::exchange(c.out, std::nullopt);
    }

    core* core_ = nullptr;
};

}  // namespace tendril
