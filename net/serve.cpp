// SPDX-License-Identifier: BSL-1.0
#include <tendril/net/serve.hpp>
#include <tendril/runtime/error.hpp>
#include <tendril/runtime/park.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>
#include <tendril/sync/semaphore.hpp>

#include <algorithm>
#include <chrono>
#include <exception>
#include <limits>
#include <memory>
#include <new>
#include <utility>

namespace tendril::net {
namespace {

using tendril::detail::fiber_core;

// Shared with the handlers, which may outlive serve(). Thrown into its fiber, once,
// when a handler has failed.
struct service : tendril::detail::interrupt {
    service(std::function<void(socket)> handler, std::size_t concurrency)
        : handler(std::move(handler)), slots(tokens(concurrency)) {
        raise = [](interrupt& i) {
            std::rethrow_exception(static_cast<service&>(i).failure);
        };
    }

    static std::ptrdiff_t tokens(std::size_t concurrency) {
        constexpr std::size_t most = std::numeric_limits<std::ptrdiff_t>::max();
        return static_cast<std::ptrdiff_t>(std::min(concurrency, most));
    }

    std::function<void(socket)> handler;
    semaphore slots;
    fiber_core* server = nullptr;  // while it serves and nothing has failed
    std::exception_ptr failure;
};

// Gives its token back at the end of a handler's fiber, or when there is no fiber.
class slot {
  public:
    explicit slot(std::shared_ptr<service> of) : of_(std::move(of)) {}

    slot(slot&&) noexcept = default;
    slot& operator=(slot&&) = delete;

    ~slot() {
        if (of_) of_->slots.release();
    }

    service& of() const noexcept { return *of_; }

  private:
    std::shared_ptr<service> of_;
};

void handle(slot mine, socket client) {
    service& of = mine.of();
    try {
        of.handler(std::move(client));
    } catch (const cancelled&) {
        // A deadline that it has inherited has; as below.
    } catch (const greenlet_exit&) {
        // Somebody has ended this handler; the service goes on.
    } catch (...) {
        fiber_core* const server = std::exchange(of.server, nullptr);
        if (server == nullptr) throw;
        of.failure = std::current_exception();
        server->home->interrupt_fiber(*server, of);
    }
}

}  // namespace

void serve(listener on, std::function<void(socket)> handler, std::size_t concurrency) {
    if (!handler) {
        tendril::detail::fail(errc::bad_argument, "serve was given no handler");
    }
    if (concurrency == 0) {
        tendril::detail::fail(errc::bad_argument, "serve with a concurrency of 0");
    }
    fiber_core& self = *tendril::detail::current_scheduler().current;
    if (self.home->on_loop()) tendril::detail::fail_in_hub("connections");
    const auto running = std::make_shared<service>(std::move(handler), concurrency);
    running->server = &self;

    struct stop_at_end {
        service& of;
        fiber_core& self;

        ~stop_at_end() {
            of.server = nullptr;
            tendril::detail::withdraw(self, of);
        }
    } const guard{*running, self};

    try {
        for (;;) {
            running->slots.acquire();
            slot next(running);
            socket client = on.accept();
            try {
                spawn_n({.name = "serve"}, handle, std::move(next), std::move(client));
            } catch (const std::bad_alloc&) {
                // No stack for this one: it is closed, and those that are being served
                // get time to end.
                tendril::sleep(std::chrono::milliseconds(10));
            }
        }
    } catch (const stop_serve&) {
        // As asked.
    }
}

}  // namespace tendril::net
