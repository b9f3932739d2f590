// signal_requests.hpp - what signal handlers ask of the hubs.
//
// A handler may do next to nothing. Ours count their request and ring every doorbell;
// each hub looks at the count in every turn and before it sleeps, and then does what
// was asked for on its own stack, where everything is allowed.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <atomic>

namespace tendril {

class hub;

namespace detail {

// Goes up with each request.
inline std::atomic<unsigned> signal_requests{0};

// Does what has been asked for since the hub has seen `before`. On its loop.
void serve_signal_requests(hub& h, unsigned before) noexcept;

// Handles `signal` by this from now on. Keeps what was there in `before`, which must
// be a struct sigaction. False, and nothing is changed, if somebody handles it already
// and `only_if_default`.
bool handle_by_request(int signal,
                       void (*handler)(int),
                       void* before,
                       bool only_if_default);

// For the handlers: safe there.
void request_from_handler() noexcept;

}  // namespace detail
}  // namespace tendril
