// error.hpp - everything runtime and sync throw, on one page.
//
// Two families, and the difference matters:
//
//  * Misuse is a std::exception: `fiber_error`, with a code and a sentence that names
//    the fibers concerned. It is thrown at once, in the caller.
//
//  * What is thrown *into* a fiber from outside is not a std::exception, so that an
//    ordinary `catch (const std::exception&)` cannot swallow it by accident:
//    `greenlet_exit` (a kill), `timed_out` (a timeout scope ran out) and `cancelled`
//    (a cancel scope was). Let them pass or rethrow them; whoever swallows one of the
//    first two carries on running. A greenlet_exit that ended in a `catch (...)` of a
//    fiber is told to the exception hook when the fiber parks next; other exceptions,
//    thrown in or not, and greenlets' are not.
//
// net adds std::system_error with the code of the call that failed, and stop_serve,
// which whoever wants to end serve() throws into its fiber.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <concepts>
#include <exception>
#include <functional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <typeinfo>
#include <utility>

namespace tendril {

enum class errc {
    wrong_thread,   // the fiber belongs to another thread, and fibers never move
    thread_exited,  // the fiber's thread has ended
    dead,           // an empty fiber handle, or what cannot be resumed any more
    cyclic_parent,  // a greenlet would become its own ancestor
    not_startable,  // an empty greenlet handle, or it has been started already
    in_hub,         // a call that would park in a hub callback, on the hub's own stack
    parked,         // a raw switch to a fiber that waits for something else
    not_parked,     // the call needs a fiber that waits
    value_type,     // the value sent by a switch is not of the type awaited
    bad_argument,   // null callable, impossible size, negative duration, ...
    second_waiter,  // two fibers would wait for the same end of one socket
    not_owner,      // unlock or release by a fiber that does not hold it
    unset,          // a result or value was asked for before there was one
    already_set,    // an event was sent twice without reset
    deadlock,       // fibers would wait for each other for ever
    lock_held,      // a fiber waits while it holds a std::mutex, see lock_check.hpp
    abandoned,      // whoever was to do the work of a future went before it was done
    closed,         // get from, or put to, a queue or channel that has been closed
    not_nested,     // a scope was left out of order, by another fiber, or not at all
    forked,         // the process is the child of a fork, and its hubs are its parent's
    has_threads,    // the process has other threads, so that it must not be forked
    broken,         // a barrier that was reset or aborted: not all will have arrived
};

// Misuse. what() is a sentence; where it is about fibers, it names them.
class fiber_error : public std::logic_error {
  public:
    fiber_error(errc code, const std::string& sentence)
        : std::logic_error(sentence), code_(code) {}

    errc code() const noexcept { return code_; }

  private:
    errc code_;
};

// Thrown into a fiber by kill() and into a greenlet whose last handle is dropped.
// Not a std::exception. A body that ends with it ends quietly: nothing is reported.
struct greenlet_exit {};

class timeout;

// Thrown into a fiber when one of its `timeout` scopes runs out. Not a std::exception.
// Scopes nest, so compare before handling: `if (!e.from(my_scope)) throw;`.
class timed_out {
  public:
    explicit timed_out(const timeout& scope) noexcept : scope_(&scope) {}

    // True if `scope` is the one that ran out. Only the address is compared.
    bool from(const timeout& scope) const noexcept { return scope_ == &scope; }

  private:
    const timeout* scope_;
};

class cancel_scope;

namespace detail {
struct cancel_layer;
}

// Thrown out of what waits inside a cancelled scope. Let it pass.
class cancelled {
  public:
    explicit cancelled(const detail::cancel_layer& by) noexcept : by_(&by) {}

    // True if it is on its way to `scope`, which will catch it. Only compared.
    bool from(const cancel_scope& scope) const noexcept;

    bool from(const detail::cancel_layer& layer) const noexcept {
        return by_ == &layer;
    }

  private:
    const detail::cancel_layer* by_;
};

// Where errors go that nobody can catch: a hub callback or a link that throws, a
// spawn_n body that fails, a fiber whose exception nobody ever asked for, an exception
// out of a greenlet that was being dropped. `where` says which of these. The default
// prints one line to stderr. A hook that throws is ignored: the hub goes on.
//
// Thread rule: one hook for the process; set it from any thread, best before spawning.
using exception_hook = std::function<void(std::exception_ptr, std::string_view where)>;

// The hook must not park: a fiber that is about to may be telling it.
// Installs `hook` (an empty one brings the default back) and returns the one before.
exception_hook set_exception_hook(exception_hook hook);

namespace detail {

// Hands `error` to the hook. Never throws.
void report(std::exception_ptr error, std::string_view where) noexcept;

// "std::runtime_error: disk full", "greenlet_exit", "an exception of type X".
std::string describe(std::exception_ptr error);

bool is_greenlet_exit(const std::exception_ptr& error) noexcept;

// It came from outside and only ends the fiber: greenlet_exit, or cancelled.
bool ends_quietly(const std::exception_ptr& error) noexcept;

// What can be thrown. An exception_ptr cannot: it stands for what it points to.
template <class E>
concept exception_object = !std::same_as<std::decay_t<E>, std::exception_ptr>;

// std::make_exception_ptr, but for what copying `error` throws: that is thrown here,
// and not what is pointed to.
template <exception_object E>
std::exception_ptr pointer_to(E&& error) {
    auto made = std::make_exception_ptr(std::forward<E>(error));
#if defined(__GLIBCXX__)
    if (*made.__cxa_exception_type() != typeid(std::decay_t<E>)) {
        std::rethrow_exception(std::move(made));
    }
#endif
    return made;
}

// "std::string", not "Ss".
std::string type_name(const std::type_info& type);

[[noreturn]] void fail(errc code, const std::string& sentence);

}  // namespace detail
}  // namespace tendril
