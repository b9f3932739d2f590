// loopback.hpp - connected sockets on this machine, and what can go wrong with them.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <tendril/net/detail/io_driver.hpp>
#include <tendril/net/listener.hpp>
#include <tendril/net/socket.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>

#include <cerrno>
#include <cstddef>
#include <functional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "clean_end.hpp"
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define TENDRIL_SANITIZED
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define TENDRIL_SANITIZED
#endif
#endif

namespace tendril::test {

#ifdef TENDRIL_SANITIZED
inline constexpr bool sanitized = true;
#else
inline constexpr bool sanitized = false;
#endif

// A driver's own descriptors stay open; made before clean_end counts.
class made_driver {
  public:
    made_driver() { tendril::detail::current_io_driver(); }
};

class clean_net_end : made_driver, public clean_end {};

// A connection, both ends. What one end sends is there for the other at once.
struct connection {
    net::socket client;
    net::socket server;
};

inline connection connect_pair(const char* host = "127.0.0.1") {
    net::listener port = net::listen(host, 0);
    connection made;
    made.client = net::connect(port.local_address());
    made.server = port.accept();
    return made;
}

// A port where connects are neither accepted nor refused: its backlog is full.
class blackhole {
  public:
    blackhole()
        : port_(net::listen("127.0.0.1", 0, {.backlog = 0})),
          filler_(net::connect(port_.local_address())) {}

    net::address address() const { return port_.local_address(); }

  private:
    net::listener port_;
    net::socket filler_;
};

// The code of the std::system_error that a call throws; none if it returns.
template <class F>
std::error_code code_of(F&& call) {
    try {
        std::invoke(std::forward<F>(call));
    } catch (const std::system_error& e) {
        return e.code();
    }
    return {};
}

// While it lives this process can open no more descriptors. UBSan needs some itself to
// look at exceptions and error categories: end() it before, or skip the test if
// `sanitized`.
class drought {
  public:
    drought() {
        getrlimit(RLIMIT_NOFILE, &before_);
        fillers_.push_back(::dup(0));
        rlimit low = before_;
        low.rlim_cur = static_cast<rlim_t>(fillers_.front()) + 1;
        setrlimit(RLIMIT_NOFILE, &low);
        for (int fd = ::dup(0); fd >= 0; fd = ::dup(0)) fillers_.push_back(fd);
    }

    drought(const drought&) = delete;
    drought& operator=(const drought&) = delete;

    ~drought() { end(); }

    void end() {
        setrlimit(RLIMIT_NOFILE, &before_);
        for (const int fd : fillers_) ::close(fd);
        fillers_.clear();
    }

  private:
    rlimit before_{};
    std::vector<int> fillers_;
};

inline bool has_ipv6() {
    try {
        net::listen("::1", 0);
        return true;
    } catch (const std::system_error&) {
        return false;
    }
}

// The next close sends RST instead of FIN.
inline void reset(net::socket& s) {
    const linger at_once{.l_onoff = 1, .l_linger = 0};
    setsockopt(s.native_handle(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    s.close();
}

inline void send_urgent(net::socket& s, char byte) {
    if (::send(s.native_handle(), &byte, 1, MSG_OOB | MSG_NOSIGNAL) != 1) {
        throw std::system_error(errno, std::system_category(), "send");
    }
}

// What is there, up to `most` bytes; parks until there is a byte. Empty: the end.
inline std::string read_some(net::socket& s, std::size_t most = 64) {
    return s.recv(most);
}

// A fiber that waits for bytes from now on, so that the hub waits for I/O.
class registered {
  public:
    registered() : reader_(spawn([this] { read_some(both_.server); })) { yield(); }

    ~registered() {
        both_.client.close();
        reader_.wait();
    }

  private:
    connection both_ = connect_pair();
    fiber<> reader_;
};

inline std::string read_to_end(net::socket& s, std::size_t most = 64 * 1024) {
    std::string all;
    for (std::string part; !(part = s.recv(most)).empty();) all += part;
    return all;
}

// Fills the way to the peer: the next send would block. Returns how much that took.
inline std::size_t stuff(net::socket& s) {
    const std::string block(64 * 1024, 'x');
    std::size_t sent = 0;
    for (;;) {
        const ssize_t n = ::send(s.native_handle(), block.data(), block.size(),
                                 MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0) return sent;
        sent += static_cast<std::size_t>(n);
    }
}

// Bytes that differ from place to place, and from seed to seed.
inline std::string pattern(std::size_t size, unsigned seed = 1) {
    std::string text(size, '\0');
    unsigned x = seed * 2654435761U + 1;
    for (char& c : text) {
        x = x * 1664525U + 1013904223U;
        c = static_cast<char>(x >> 24);
    }
    return text;
}

}  // namespace tendril::test
