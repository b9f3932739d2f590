// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/detail/doorbell.hpp>
#include <tendril/runtime/detail/signal_requests.hpp>
#include <tendril/runtime/dump.hpp>
#include <tendril/runtime/run.hpp>

#include <cerrno>
#include <csignal>
#include <iostream>
#include <mutex>
#include <system_error>

namespace tendril {
namespace detail {
namespace {

// The value of signal_requests after the newest request for a dump.
std::atomic<unsigned> newest_dump{0};
std::mutex one_dump_at_a_time;

// The run() that SIGINT and SIGTERM end; at most one.
std::atomic<interruptible*> active{nullptr};
std::atomic<int> received{0};
struct sigaction before_int, before_term;

void ask_for_dump(int) {
    const int error = errno;
    newest_dump.store(signal_requests.load() + 1);
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

}  // namespace

void request_from_handler() noexcept {
    signal_requests.fetch_add(1);
    doorbell::ring_all();
}

bool handle_by_request(int signal,
                       void (*handler)(int),
                       void* before,
                       bool only_if_default) {
    auto& was = *static_cast<struct sigaction*>(before);

    struct sigaction ours {};

    ours.sa_handler = handler;
    ours.sa_flags = SA_RESTART | SA_ONSTACK;
    if (sigaction(signal, nullptr, &was) != 0) {
        throw std::system_error(errno, std::system_category(), "sigaction");
    }
    if (only_if_default && was.sa_handler != SIG_DFL) return false;
    if (sigaction(signal, &ours, nullptr) != 0) {
        throw std::system_error(errno, std::system_category(), "sigaction");
    }
    return true;
}

void serve_signal_requests(hub& h, unsigned before) noexcept {
    // Numbers go round; what counts is which is ahead.
    if (static_cast<int>(newest_dump.load() - before) > 0) {
        try {
            const std::lock_guard held(one_dump_at_a_time);
            dump_fibers(std::cerr);
        } catch (...) {
            report(std::current_exception(), "a dump for a signal");
        }
    }
    interruptible* const run = active.load();
    if (run != nullptr && received.load() != 0 && &run->home() == &h) run->end();
}

interruptible::interruptible() : home_(hub::current()) {
    interruptible* none = nullptr;
    if (!active.compare_exchange_strong(none, this)) return;
    received.store(0);
    try {
        handles_int_ = handle_by_request(SIGINT, ask_for_end, &before_int, true);
        handles_term_ = handle_by_request(SIGTERM, ask_for_end, &before_term, true);
    } catch (...) {
        give_up();
        throw;
    }
}

interruptible::~interruptible() {
    give_up();
}

void interruptible::give_up() noexcept {
    if (active.load() != this) return;
    if (handles_int_) sigaction(SIGINT, &before_int, nullptr);
    if (handles_term_) sigaction(SIGTERM, &before_term, nullptr);
    active.store(nullptr);
}

void interruptible::throw_signal() const {
    const int signal = received.load();
    throw signalled(signal, "ended by signal " + std::to_string(signal));
}

}  // namespace detail

void dump_fibers_on(int signal) {
    struct sigaction before {};

    detail::handle_by_request(signal, detail::ask_for_dump, &before, false);
}

}  // namespace tendril
