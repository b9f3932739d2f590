// swallowed.hpp - whether an exception ended in a `catch (...)`.
//
// Whoever names the exception that he catches means it; a catch (...) that does not
// rethrow took what was not for him. The C++ runtime leaves in each exception's header
// which entry of which function's table caught it last; the entry of a catch (...) is
// empty (Itanium C++ ABI, exception handling, level II; tables as GCC and clang write
// them). So a handler that names it, and then has a function look at it by rethrowing
// it into a catch (...) of its own, is taken for that one; and one that a catch (...)
// handed on by pointer (std::async, a promise), for swallowed, if nobody holds it by
// the time it is looked at.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <exception>

namespace tendril::detail {

enum class fate {
    alive,         // on its way, being handled, or kept by somebody
    caught,        // by its name
    caught_blind,  // by a catch (...)
    unknown,       // not thrown as itself, or another C++ runtime
};

// On the stack where it was thrown; `error` itself does not count as somebody.
// REQUIRES  nothing is being thrown.
fate fate_of(const std::exception_ptr& error) noexcept;

}  // namespace tendril::detail
