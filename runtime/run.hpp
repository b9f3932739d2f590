// run.hpp - a whole fiber program as one call: asyncio.run.
//
//     int main() { return tendril::run([] { ...; return 0; }); }
//
// Runs f() as a fiber and parks the caller until it has ended; then ends what is left
// over: every fiber and started greenlet of this thread that was made meanwhile is
// killed (greenlet_exit) once and waited for. Returns what f returned or throws what it
// threw.
//
// Not needed to use tendril (main() is a fiber already); it is for programs that want
// everything to be over when it returns.
//
// While it runs, SIGINT and SIGTERM cancel f (a cancel_scope is around it), so that its
// clean-up runs; then `signalled` is thrown. A second signal ends the process at once.
// Only the first run() of the process does so, and only for signals that nobody else
// handles. One that comes when f has ended, while leftovers are waited for, ends
// nothing more (as with asyncio.run).
//
// THROWS  what f throws; signalled, if a signal has ended f; fiber_error (in_hub) in a
//         hub callback. A kill or timeout of the caller ends f's fiber and the
//         leftovers first, and is thrown then.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <tendril/runtime/cancel.hpp>
#include <tendril/runtime/detail/call_site.hpp>
#include <tendril/runtime/fiber.hpp>
#include <tendril/runtime/park.hpp>
#include <tendril/runtime/spawn.hpp>

#include <concepts>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

namespace tendril {

// What run() throws when a signal has ended what it ran.
class signalled : public std::runtime_error {
  public:
    signalled(int signal, const std::string& sentence)
        : std::runtime_error(sentence), signal_(signal) {}

    // SIGINT or SIGTERM. Convention wants an exit code of 128 more.
    int signal() const noexcept { return signal_; }

  private:
    int signal_;
};

namespace detail {

// The scope around what run() runs, which a signal cancels.
class interruptible {
  public:
    interruptible();
    interruptible(const interruptible&) = delete;
    interruptible& operator=(const interruptible&) = delete;
    ~interruptible();

    template <class F>
    or_not<F> run(F&& f) {
        return scope_.run(std::forward<F>(f));
    }

    void end() noexcept { scope_.cancel(); }

    void give_signals_back() noexcept;

    [[noreturn]] void throw_signal() const;

  private:
    void give_up() noexcept;

    cancel_scope scope_;
    bool handles_int_ = false;
    bool handles_term_ = false;
};

// Joins `first`, then kills and joins what else was made since id `begin`.
// THROWS  what was thrown into the caller meanwhile, at the end.
void finish_run(const any_fiber& first, std::uint64_t begin);

}  // namespace detail

template <std::invocable F>
std::invoke_result_t<F> run(F&& f, call_site where = call_site::current()) {
    const auto& callable = f;
    if (detail::is_null_callable(callable)) {
        detail::fail(errc::bad_argument, "run was given nothing to call");
    }
    if (detail::current_scheduler().on_loop()) detail::fail_in_hub("run");
    detail::interruptible inside;
    auto first = spawn({.name = "run", .where = where},
                       [&] { return inside.run(std::forward<F>(f)); });
    detail::finish_run(first, first.id());
    auto result = std::move(first).wait();
    if (!result) inside.throw_signal();
    using R = std::invoke_result_t<F>;
    if constexpr (!std::is_void_v<R>) return static_cast<R>(*std::move(result));
}

}  // namespace tendril
