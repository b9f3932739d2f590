// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/context_var.hpp>
#include <tendril/runtime/detail/scheduler.hpp>
#include <tendril/sync/spawn_on.hpp>

namespace tendril::detail {
namespace {

// On the hub's thread, in the context of whoever sent it.
void start(const std::shared_ptr<remote_call>& call, const spawn_options& o) {
    any_fiber f = spawn_n(o, [call] { call->run(); });
    f.link([call] {
        const any_fiber ended = std::exchange(call->fiber, {});
        if (auto error = ended.exception()) call->fail(std::move(error));
    });
    call->fiber = std::move(f);
}

// A thread without a hub has an empty one, and needs no hub for that.
context context_of_caller() {
    return this_scheduler != nullptr ? context::current() : context();
}

}  // namespace

void send_call(const hub_handle& there,
               const spawn_options& o,
               std::shared_ptr<remote_call> call) {
    there.post([o, call = std::move(call), context = context_of_caller()] {
        try {
            context.run([&] { start(call, o); });
        } catch (...) {
            call->fail(std::current_exception());
        }
    });
}

future_core::canceller canceller_of(const hub_handle& there,
                                    const std::shared_ptr<remote_call>& call) {
    return [there, sent = std::weak_ptr(call)] {
        const auto call = sent.lock();
        if (!call) return false;
        // For a fiber that begins before the letter is there.
        call->cancelled.store(true);
        try {
            there.post([call] {
                if (call->fiber) call->fiber.kill();
            });
        } catch (const fiber_error& e) {
            if (e.code() != errc::thread_exited) throw;
            return false;
        }
        return true;
    };
}

}  // namespace tendril::detail
