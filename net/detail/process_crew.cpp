// SPDX-License-Identifier: BSL-1.0
#include <tendril/net/detail/blocking.hpp>
#include <tendril/net/detail/process_crew.hpp>
#include <tendril/net/detail/worker_process.hpp>
#include <tendril/net/process_pool.hpp>
#include <tendril/runtime/cancel.hpp>
#include <tendril/runtime/error.hpp>
#include <tendril/runtime/spawn.hpp>

#include <cerrno>
#include <cstring>
#include <exception>
#include <span>
#include <string>
#include <system_error>
#include <utility>

#include <sys/socket.h>
#include <unistd.h>

namespace tendril::detail {
namespace {

// Fills it; false if the worker has gone.
bool recv_all(net::socket& from, std::span<std::byte> to) {
    while (!to.empty()) {
        std::error_code ec;
        const std::size_t n = from.recv(to, ec);
        if (ec || n == 0) return false;
        to = to.subspan(n);
    }
    return true;
}

// While nothing is asked of it, it has nothing to say but that.
bool has_gone(const net::socket& worker) noexcept {
    char byte = 0;
    return recv(worker.native_handle(), &byte, 1, MSG_DONTWAIT | MSG_PEEK) >= 0 ||
           !would_block(errno);
}

remote_error error_in(byte_view reply) {
    auto type = take_value<std::string>(reply);
    return {std::move(type), take_value<std::string>(reply)};
}

}  // namespace

process_crew::process_crew(std::size_t workers)
    : owner_(getpid()), zygote_(work_for_parent), serving_(workers) {
    std::vector<worker> made;
    while (made.size() < workers) made.push_back(make_worker());
    // What is not in there could not be called back.
    fibers_.reserve(workers);
    try {
        for (worker& w : made) {
            fibers_.push_back(
                spawn({.name = "process_pool"},
                      [this, own = std::move(w)]() mutable { serve(std::move(own)); }));
        }
    } catch (...) {
        // They have not begun, and never will.
        for (const auto& f : fibers_) f.kill();
        throw;
    }
}

bool process_crew::is_ours() const noexcept {
    return getpid() == owner_;
}

process_crew::worker process_crew::make_worker() {
    const zygote::worker made = zygote_.make();
    try {
        return {.process = made.process, .socket = net::socket(made.socket)};
    } catch (...) {
        ::close(made.socket);
        zygote_.bury(made.process, true);
        throw;
    }
}

bool process_crew::put(std::shared_ptr<process_call> call) {
    return calls_.try_put(std::move(call));
}

// -- the fiber of a worker

void process_crew::serve(std::optional<worker> own) {
    // The last one out: nobody does what is left.
    struct leave {
        process_crew& of;
        std::optional<worker>& own;
        bool by_itself = false;

        ~leave() {
            const uninterrupted here;
            if (own) of.lose(own, !by_itself);
            if (--of.serving_ > 0) return;
            of.calls_.close();
            of.drop_calls();
        }
    } at_end{*this, own};

    serve_calls(own);
    at_end.by_itself = true;
}

void process_crew::serve_calls(std::optional<worker>& own) {
    for (const auto& call : calls_) {
        if (!call->claim()) continue;
        if (own && has_gone(own->socket)) lose(own, false);
        try {
            if (!own) own = make_worker();
            do_call(own, *call);
        } catch (const std::exception&) {
            // No memory, or no process. What a worker says next is of no use.
            call->fail(std::current_exception());
            if (own) lose(own, true);
        }
    }
}

int process_crew::lose(std::optional<worker>& own, bool now) noexcept {
    // Others may have it: a process that the worker has forked, or this one has.
    std::error_code ec;
    own->socket.shutdown(net::shutdown_mode::both, ec);
    own->socket = net::socket();
    return zygote_.bury(std::exchange(own, std::nullopt)->process, now);
}

void process_crew::do_call(std::optional<worker>& own, process_call& call) {
    const std::optional<byte_string> reply = exchange(*own, call);
    if (!reply) {
        call.fail(std::make_exception_ptr(worker_died(lose(own, false))));
        return;
    }
    byte_view rest = *reply;
    if (take_plain<reply_header>(rest).failed != 0) {
        call.fail(std::make_exception_ptr(error_in(rest)));
    } else {
        call.keep(rest);
    }
}

// Header and all; nothing if the worker has died.
std::optional<byte_string> process_crew::exchange(worker& with,
                                                  const process_call& call) {
    const request_header header{.entry = call.entry, .size = call.request.size()};
    std::error_code ec;
    with.socket.send_all(std::as_bytes(std::span(&header, 1)), ec);
    if (!ec) with.socket.send_all(std::span(call.request), ec);
    byte_string reply(sizeof(reply_header));
    if (ec || !recv_all(with.socket, reply)) return std::nullopt;
    reply_header about{};
    std::memcpy(&about, reply.data(), sizeof about);
    reply.resize(sizeof about + about.size);
    if (!recv_all(with.socket, std::span(reply).subspan(sizeof about))) {
        return std::nullopt;
    }
    return reply;
}

// -- closing

void process_crew::drop_calls() noexcept {
    while (calls_.try_get()) continue;
}

bool process_crew::close(time_point deadline) {
    calls_.close();
    bool in_time = true;
    for (const auto& f : fibers_) in_time = in_time && f.join(deadline);
    if (in_time) return true;
    // Their workers go with them.
    const uninterrupted here;
    for (const auto& f : fibers_) f.kill();
    for (const auto& f : fibers_) f.join();
    // Where none had begun, it was nobody's.
    drop_calls();
    return false;
}

}  // namespace tendril::detail
