// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/detail/callback.hpp>
#include <tendril/runtime/detail/scheduled_call.hpp>
#include <tendril/runtime/detail/signal_callbacks.hpp>
#include <tendril/runtime/detail/signal_requests.hpp>
#include <tendril/runtime/error.hpp>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <mutex>
#include <string>
#include <utility>

namespace tendril::detail {
namespace {

struct handled_signal {
    std::atomic<bool> pending{false};
    std::atomic<const signal_callbacks*> owner{nullptr};

    struct sigaction before {};  // in force when the first of our callbacks came
};

std::array<handled_signal, NSIG> table;  // by number
std::mutex changing;                     // owners, and who handles what

handled_signal& slot(int signal) noexcept {
    return table[static_cast<std::size_t>(signal)];
}

void note(int signal) {
    const int error = errno;
    slot(signal).pending.store(true);
    request_from_handler();
    errno = error;
}

// The C library keeps some for itself, and says so.
void require_signal(int signal) {
    struct sigaction there {};

    const bool known = sigaction(signal, nullptr, &there) == 0;
    if (known && signal != SIGKILL && signal != SIGSTOP) return;
    fail(errc::bad_argument,
         std::to_string(signal) + " is no signal that can be handled");
}

void give_back(int signal) noexcept {
    struct sigaction there {};

    // Who has come after us stays.
    if (sigaction(signal, nullptr, &there) == 0 && there.sa_handler == note) {
        sigaction(signal, &slot(signal).before, nullptr);
    }
    slot(signal).owner.store(nullptr);
    slot(signal).pending.store(false);
}

}  // namespace

void signal_callbacks::set(int signal, std::shared_ptr<standing_callback> call) {
    require_signal(signal);
    // Before the lock, and gone after it: what it holds is the user's.
    auto& here = calls_[signal];
    const auto gone = std::exchange(here, std::move(call));
    const std::lock_guard held(changing);
    slot(signal).owner.store(this);

    struct sigaction there {};

    handle_by_request(signal, note, there, false);
    if (there.sa_handler != note) slot(signal).before = there;
    // One that the owner before has not got to.
    if (slot(signal).pending.load()) request_from_handler();
}

bool signal_callbacks::remove(int signal) noexcept {
    const auto at = calls_.find(signal);
    if (at == calls_.end()) return false;
    const auto gone = std::move(at->second);
    calls_.erase(at);
    const std::lock_guard held(changing);
    if (slot(signal).owner.load() != this) return false;
    give_back(signal);
    return true;
}

void signal_callbacks::remove_all() noexcept {
    while (!calls_.empty()) remove(calls_.begin()->first);
}

bool signal_callbacks::waiting() const noexcept {
    for (const auto& call : calls_) {
        if (slot(call.first).owner.load() == this) return true;
    }
    return false;
}

void signal_callbacks::serve() noexcept {
    // Callbacks may add and remove others.
    for (auto at = calls_.begin(); at != calls_.end();) {
        const int signal = at->first;
        handled_signal& here = slot(signal);
        if (here.owner.load() == this && here.pending.exchange(false)) {
            const auto call = at->second;
            run_callback(home_, call->f, call->context, "a signal handler of the hub");
        }
        at = calls_.upper_bound(signal);
    }
}

void forget_signal_callbacks() noexcept {
    for (int signal = 1; signal < NSIG; ++signal) {
        if (slot(signal).owner.load() != nullptr) give_back(signal);
    }
}

void take_from_beneath(int signal,
                       void (*handler)(int),
                       const struct sigaction& with) noexcept {
    struct sigaction& before = slot(signal).before;
    if (before.sa_handler == handler) before = with;
}

}  // namespace tendril::detail
