// SPDX-License-Identifier: BSL-1.0
#include <tendril/net/detail/worker_process.hpp>
#include <tendril/runtime/error.hpp>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <exception>
#include <string>
#include <typeinfo>

#include <cxxabi.h>
#include <sys/socket.h>
#include <unistd.h>

namespace tendril::detail {
namespace {

// False at the end of what comes.
bool read_all(int socket, std::byte* to, std::size_t size) noexcept {
    while (size > 0) {
        const ssize_t n = recv(socket, to, size, 0);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return false;
        to += n;
        size -= static_cast<std::size_t>(n);
    }
    return true;
}

bool write_all(int socket, byte_view from) noexcept {
    while (!from.empty()) {
        const ssize_t n = send(socket, from.data(), from.size(), MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return false;
        from = from.subspan(static_cast<std::size_t>(n));
    }
    return true;
}

byte_string thrown_now() {
    byte_string text;
    const std::type_info* const type = abi::__cxa_current_exception_type();
    write_value(text, type != nullptr ? type_name(*type) : std::string());
    try {
        throw;
    } catch (const std::exception& e) {
        write_value(text, std::string(e.what()));
    } catch (...) {
        write_value(text, std::string());
    }
    return text;
}

// Reads what there is no room for.
bool skip(int socket, std::uint64_t size) noexcept {
    std::byte some[4096];
    while (size > 0) {
        const std::size_t part = std::min<std::uint64_t>(size, sizeof some);
        if (!read_all(socket, some, part)) return false;
        size -= part;
    }
    return true;
}

enum class outcome { done, thrown, cut_short };

// Appends to `reply` what the call returns, or throws; as it throws, if it could not be
// read for want of memory.
outcome call_one(int socket, const request_header& header, byte_string& reply) {
    bool all_read = false;
    try {
        byte_string request(header.size);
        if (!read_all(socket, request.data(), request.size())) {
            return outcome::cut_short;
        }
        all_read = true;
        header.entry(request, reply);
        return outcome::done;
    } catch (...) {
        if (!all_read && !skip(socket, header.size)) return outcome::cut_short;
        const byte_string thrown = thrown_now();
        reply.resize(sizeof(reply_header));
        reply.insert(reply.end(), thrown.begin(), thrown.end());
        return outcome::thrown;
    }
}

// False if it could not be answered.
bool answer_one(int socket, const request_header& header) {
    byte_string reply(sizeof(reply_header));
    const outcome how = call_one(socket, header, reply);
    if (how == outcome::cut_short) return false;
    const reply_header about{.failed = how == outcome::thrown ? 1u : 0u,
                             .size = reply.size() - sizeof(reply_header)};
    std::memcpy(reply.data(), &about, sizeof about);
    // Who waits for it may look at what it has written.
    std::fflush(nullptr);
    return write_all(socket, reply);
}

}  // namespace

void work_for_parent(int socket) noexcept {
    request_header header{};
    std::byte raw[sizeof header];
    do {
        if (!read_all(socket, raw, sizeof raw)) return;
        std::memcpy(&header, raw, sizeof header);
    } while (answer_one(socket, header));
}

}  // namespace tendril::detail
