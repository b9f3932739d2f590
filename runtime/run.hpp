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
// THROWS  fiber_error (in_hub) in a hub callback. A kill or timeout of the caller ends
//         f's fiber and the leftovers first, and is thrown then.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <tendril/runtime/detail/call_site.hpp>
#include <tendril/runtime/fiber.hpp>
#include <tendril/runtime/spawn.hpp>

#include <concepts>
#include <cstdint>
#include <type_traits>
#include <utility>

namespace tendril {

namespace detail {

// Joins `first`, then kills and joins what else was made since id `begin`.
// THROWS  what was thrown into the caller meanwhile, at the end.
void finish_run(const any_fiber& first, std::uint64_t begin);

}  // namespace detail

template <std::invocable F>
std::invoke_result_t<F> run(F&& f, call_site where = call_site::current()) {
    auto first = spawn({.name = "run", .where = where}, std::forward<F>(f));
    detail::finish_run(first, first.id());
    return std::move(first).wait();
}

}  // namespace tendril
