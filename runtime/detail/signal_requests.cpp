// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/detail/doorbell.hpp>
#include <tendril/runtime/detail/signal_callbacks.hpp>
#include <tendril/runtime/detail/signal_requests.hpp>
#include <tendril/runtime/dump.hpp>
#include <tendril/runtime/run.hpp>

#include <cerrno>
#include <csignal>
#include <iostream>
#include <mutex>
#include <system_error>
#include <utility>

namespace tendril {
namespace detail {
namespace {

std::mutex one_dump_at_a_time;

// The run() that SIGINT and SIGTERM end; at most one. It is for its own thread only,
// since it is gone at any moment for others: its hub tells whose it is.
std::atomic<interruptible*> active{nullptr};
std::atomic<const hub*> home_of_active{nullptr};
std::atomic<int> received{0};
// The signal that asks for dumps, and who handled it before.
std::atomic<int> dump_signal{0};
struct sigaction before_dump;
struct sigaction before_int, before_term;

void ask_for_dump(int) {
    const int error = errno;
    dump_requests.fetch_add(1);
    request_from_handler();
    errno = error;
}

void ask_for_end(int signal) {
    const int error = errno;
    int none = 0;
    if (received.compare_exchange_strong(none, signal)) {
        request_from_handler();
    } else {
        // The second one: as if we had never been here.
        std::signal(signal, SIG_DFL);
        std::raise(signal);
    }
    errno = error;
}

// Unless a hub's callback has been put above it, which will have its end, then.
void give_back_end(int signal, const struct sigaction& before) noexcept {
    struct sigaction there {};

    take_from_beneath(signal, ask_for_end, before);
    if (sigaction(signal, nullptr, &there) == 0 && there.sa_handler == ask_for_end) {
        sigaction(signal, &before, nullptr);
    }
}

}  // namespace

void request_from_handler() noexcept {
    signal_requests.fetch_add(1);
    doorbell::ring_all();
}

bool handle_by_request(int signal,
                       void (*handler)(int),
                       struct sigaction& before,
                       bool only_if_default) {
    struct sigaction ours {};

    ours.sa_handler = handler;
    ours.sa_flags = SA_RESTART | SA_ONSTACK;
    if (sigaction(signal, nullptr, &before) != 0) {
        throw std::system_error(errno, std::system_category(), "sigaction");
    }
    if (only_if_default && before.sa_handler != SIG_DFL) return false;
    if (sigaction(signal, &ours, nullptr) != 0) {
        throw std::system_error(errno, std::system_category(), "sigaction");
    }
    return true;
}

void serve_signal_requests(const hub& h, unsigned& dumps_seen) noexcept {
    const unsigned dumps = dump_requests.load();
    if (std::exchange(dumps_seen, dumps) != dumps) {
        try {
            const std::lock_guard held(one_dump_at_a_time);
            dump_fibers(std::cerr);
        } catch (...) {
            report(std::current_exception(), "a dump for a signal");
        }
    }
    if (home_of_active.load() == &h && received.load() != 0) active.load()->end();
}

interruptible::interruptible() {
    const hub& home = hub::current();
    interruptible* none = nullptr;
    if (!active.compare_exchange_strong(none, this)) return;
    received.store(0);
    home_of_active.store(&home);
    try {
        handles_int_ = handle_by_request(SIGINT, ask_for_end, before_int, true);
        handles_term_ = handle_by_request(SIGTERM, ask_for_end, before_term, true);
    } catch (...) {
        give_up();
        throw;
    }
}

interruptible::~interruptible() {
    give_up();
}

void stop_handling_signals() noexcept {
    if (const int signal = dump_signal.exchange(0)) {
        sigaction(signal, &before_dump, nullptr);
    }
    if (interruptible* const run = active.load()) run->give_signals_back();
    forget_signal_callbacks();
}

void interruptible::give_signals_back() noexcept {
    if (std::exchange(handles_int_, false)) give_back_end(SIGINT, before_int);
    if (std::exchange(handles_term_, false)) give_back_end(SIGTERM, before_term);
}

void interruptible::give_up() noexcept {
    if (active.load() != this) return;
    give_signals_back();
    home_of_active.store(nullptr);
    active.store(nullptr);
}

void interruptible::throw_signal() const {
    const int signal = received.load();
    throw signalled(signal, "ended by signal " + std::to_string(signal));
}

}  // namespace detail

void dump_fibers_on(int signal) {
    struct sigaction before {};

    detail::handle_by_request(signal, detail::ask_for_dump, before, false);
    if (before.sa_handler == detail::ask_for_dump) return;
    detail::before_dump = before;
    detail::dump_signal.store(signal);
}

}  // namespace tendril
