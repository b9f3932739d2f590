// SPDX-License-Identifier: BSL-1.0
#include <tendril/net/detail/worker_process.hpp>
#include <tendril/runtime/error.hpp>

#include <cerrno>
#include <cstddef>
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

// False if it could not be answered.
bool answer_one(int socket, const request_header& header) {
    byte_string request(header.size);
    if (!read_all(socket, request.data(), request.size())) return false;
    byte_string reply(sizeof(reply_header));
    reply_header about{.failed = 0, .size = 0};
    try {
        header.entry(request, reply);
    } catch (...) {
        about.failed = 1;
        const byte_string thrown = thrown_now();
        reply.resize(sizeof(reply_header));
        reply.insert(reply.end(), thrown.begin(), thrown.end());
    }
    about.size = reply.size() - sizeof about;
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
