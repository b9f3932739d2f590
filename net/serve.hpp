// serve.hpp - accept connections and run a handler for each, in a fiber of its own.
//
//     net::serve(net::listen("127.0.0.1", 6000), [](net::socket client) {
//         char buffer[4096];
//         while (std::size_t n = client.recv(buffer)) client.send_all({buffer, n});
//     });
//
// eventlet's serve: at most `concurrency` handlers run at once; when that many do, no
// connection is accepted until one has ended, so further clients wait in the backlog. A
// connection is closed when its handler ends, however it does.
//
// When there is no memory for a handler's stack, its connection is closed, and serve()
// waits 10 ms before it takes the next.
//
// A handler that throws ends serve(), which throws that exception on; one that throws
// stop_serve ends it quietly, and so does `fiber.kill(stop_serve{})` on the fiber that
// is in serve(). Handlers that are running then go on to their own end; greenlet_exit
// ends its handler only.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <tendril/net/listener.hpp>
#include <tendril/net/socket.hpp>

#include <cstddef>
#include <functional>

namespace tendril::net {

// Thrown by a handler, or into serve(), to end it. Not a std::exception.
struct stop_serve {};

// Parks until it is stopped. The listener is closed when it returns or throws.
// THROWS  what a handler throws; what is thrown into the fiber; std::system_error when
//         the listener fails or is closed; fiber_error (bad_argument) for a null
//         handler or no concurrency at all; fiber_error (in_hub).
void serve(listener on,
           std::function<void(socket)> handler,
           std::size_t concurrency = 1000);

}  // namespace tendril::net
