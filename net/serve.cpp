// SPDX-License-Identifier: BSL-1.0
#include <tendril/net/serve.hpp>
#include <tendril/runtime/error.hpp>
#include <tendril/runtime/fiber.hpp>
#include <tendril/runtime/spawn.hpp>
#include <tendril/sync/semaphore.hpp>

#include <exception>
#include <memory>
#include <utility>

namespace tendril::net {
namespace {

// Shared with the handlers, which may outlive serve().
struct service {
    service(std::function<void(socket)> handler, std::size_t concurrency)
        : handler(std::move(handler)),
          slots(static_cast<std::ptrdiff_t>(concurrency)),
          server(current()) {}

    std::function<void(socket)> handler;
    semaphore slots;
    any_fiber server;
    bool serving = true;
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
    } catch (const greenlet_exit&) {
        // Somebody has ended this handler; the service goes on.
    } catch (...) {
        if (!of.serving) throw;
        of.server.kill(std::current_exception());
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
    const auto running = std::make_shared<service>(std::move(handler), concurrency);

    struct stop_at_end {
        service& of;

        ~stop_at_end() { of.serving = false; }
    } const guard{*running};

    try {
        for (;;) {
            running->slots.acquire();
            slot next(running);
            socket client = on.accept();
            spawn_n({.name = "serve"}, handle, std::move(next), std::move(client));
        }
    } catch (const stop_serve&) {
        // As asked.
    }
}

}  // namespace tendril::net
