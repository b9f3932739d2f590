// signal_requests.hpp - what signal handlers ask of the hubs.
//
// A handler may do next to nothing. Ours count their request and ring every doorbell;
// each hub looks at the count in every turn and before it sleeps, and then does what
// was asked for on its own stack, where everything is allowed.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <atomic>

#include <signal.h>

namespace tendril {

class hub;

namespace detail {

// Goes up with each request.
inline std::atomic<unsigned> signal_requests{0};

// Those of them for a dump.
inline std::atomic<unsigned> dump_requests{0};

// Does what has been asked for; `dumps_seen` is what this hub has served of
// `dump_requests`. On its loop.
void serve_signal_requests(const hub& h, unsigned& dumps_seen) noexcept;

// Handles `signal` by this from now on. Keeps what was there in `before`. False, and
// nothing is changed, if somebody handles it already and `only_if_default`.
bool handle_by_request(int signal,
                       void (*handler)(int),
                       struct sigaction& before,
                       bool only_if_default);

// Gives back what is handled: SIGINT and SIGTERM of a run(), the last signal for
// dumps, those that hubs have callbacks for. Safe in the child of a fork.
void stop_handling_signals() noexcept;

// For the handlers: safe there.
void request_from_handler() noexcept;

}  // namespace detail
}  // namespace tendril
