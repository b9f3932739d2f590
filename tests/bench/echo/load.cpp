// The load for an echo server: so many connections, each of which sends a message of 64
// bytes, waits until it is back, looks at every byte of it, and sends the next.
//
//   load [--connections N] [--seconds S | --messages M] [--quick] -- SERVER...
//
// Starts SERVER and ends it. Prints, with tabs between: messages per second; the
// latency that half of them stay within, and 99 of 100; the processor time that a
// message costs the server, and this program; all but the first in microseconds. Not 0
// if any byte came back wrong. SPDX-License-Identifier: BSL-1.0
#include <array>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <memory>
#include <string_view>
#include <vector>

#include "histogram.hpp"
#include "server_process.hpp"
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>

namespace {

using bench::fail;
using clock_type = std::chrono::steady_clock;
using time_point = clock_type::time_point;

struct options {
    unsigned connections = 100;
    double seconds = 1;
    std::uint64_t messages = 0;  // 0: as many as there is time for
    char** server = nullptr;
};

struct connection {
    int fd = -1;
    unsigned received = 0;  // bytes of the message that is on its way back
    std::uint64_t sequence = 0;
    time_point sent{};
    std::array<std::uint64_t, 8> message{};
};

constexpr std::size_t message_size = sizeof connection::message;

class load {
  public:
    load(const options& o, const bench::server_process& server)
        : options_(o), server_(server) {
        if (epoll_ < 0) fail("epoll_create1");
        connections_.resize(o.connections);
        for (connection& c : connections_) open(c, server.port());
    }

    ~load() {
        for (const connection& c : connections_) close(c.fd);
        close(epoll_);
    }

    load(const load&) = delete;
    load& operator=(const load&) = delete;

    // Warms up, measures, and waits until every message is back.
    void run() {
        const auto seconds = std::chrono::duration_cast<clock_type::duration>(
            std::chrono::duration<double>(options_.seconds));
        const bool by_count = options_.messages > 0;
        const time_point now = clock_type::now();
        begin_ = by_count ? now : now + seconds / 4;
        end_ = by_count ? time_point::max() : begin_ + seconds;
        const double server_before = server_.busy_seconds();
        const double own_before = bench::busy_seconds(CLOCK_PROCESS_CPUTIME_ID);
        for (connection& c : connections_) send_next(c, now);
        while (on_their_way_ > 0) turn();
        if (by_count) end_ = clock_type::now();
        server_busy_ = server_.busy_seconds() - server_before;
        own_busy_ = bench::busy_seconds(CLOCK_PROCESS_CPUTIME_ID) - own_before;
    }

    void print() const {
        const std::chrono::duration<double> passed = end_ - begin_;
        std::printf("%.0f\t%.1f\t%.1f\t%.3f\t%.3f\n",
                    static_cast<double>(latencies_->total()) / passed.count(),
                    static_cast<double>(latencies_->quantile(0.50)) / 1e3,
                    static_cast<double>(latencies_->quantile(0.99)) / 1e3,
                    server_busy_ * 1e6 / static_cast<double>(sent_),
                    own_busy_ * 1e6 / static_cast<double>(sent_));
    }

  private:
    void open(connection& c, std::uint16_t port) {
        sockaddr_in to{};
        to.sin_family = AF_INET;
        to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        to.sin_port = htons(port);
        c.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (c.fd < 0) fail("socket");
        if (connect(c.fd, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) {
            fail("connect");
        }
        const int on = 1;
        setsockopt(c.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        epoll_event e{};
        e.events = EPOLLIN;
        e.data.ptr = &c;
        if (epoll_ctl(epoll_, EPOLL_CTL_ADD, c.fd, &e) != 0) fail("epoll_ctl");
    }

    bool finished(time_point now) const {
        return options_.messages > 0 ? sent_ == options_.messages : now >= end_;
    }

    // Every message is unlike every other one, so that no other can stand in for it.
    void send_next(connection& c, time_point now) {
        if (finished(now)) return;
        const auto number = static_cast<std::uint64_t>(&c - connections_.data());
        ++c.sequence;
        for (std::size_t i = 0; i < c.message.size(); ++i) {
            c.message[i] = (number << 32 | c.sequence) * (2 * i + 1);
        }
        c.received = 0;
        c.sent = now;
        // A send buffer always has room for one message.
        if (send(c.fd, c.message.data(), message_size, MSG_NOSIGNAL) !=
            static_cast<ssize_t>(message_size)) {
            fail("send");
        }
        ++on_their_way_;
        ++sent_;
    }

    void turn() {
        static std::array<epoll_event, 1024> events;
        const int count =
            epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), -1);
        if (count < 0 && errno != EINTR) fail("epoll_wait");
        for (int i = 0; i < count; ++i) {
            receive(*static_cast<connection*>(
                events[static_cast<std::size_t>(i)].data.ptr));
        }
    }

    void receive(connection& c) {
        std::array<char, 2 * message_size> arrived;  // room for what nobody asked for
        const ssize_t got = recv(c.fd, arrived.data(), arrived.size(), MSG_DONTWAIT);
        if (got < 0) fail("recv");
        if (got == 0) throw std::runtime_error("the server closed a connection");
        const auto size = static_cast<std::size_t>(got);
        const auto* const expected =
            reinterpret_cast<const char*>(c.message.data()) + c.received;
        if (size > message_size - c.received ||
            std::memcmp(arrived.data(), expected, size) != 0) {
            throw std::runtime_error("bytes came back that were not sent");
        }
        c.received += static_cast<unsigned>(size);
        if (c.received < message_size) return;
        const time_point now = clock_type::now();
        --on_their_way_;
        if (now >= begin_ && now < end_) {
            latencies_->add(static_cast<std::uint64_t>((now - c.sent).count()));
        }
        send_next(c, now);
    }

    options options_;
    const bench::server_process& server_;
    int epoll_ = epoll_create1(EPOLL_CLOEXEC);
    std::vector<connection> connections_;
    std::unique_ptr<bench::histogram> latencies_ = std::make_unique<bench::histogram>();
    std::uint64_t sent_ = 0;
    std::uint64_t on_their_way_ = 0;
    time_point begin_{};
    time_point end_{};
    double server_busy_ = 0;  // warming up included, as in sent_
    double own_busy_ = 0;
};

bool parse(int argc, char** argv, options& o) {
    for (int i = 1; i < argc; ++i) {
        const std::string_view arg = argv[i];
        const bool more = i + 1 < argc;
        if (arg == "--" && more) {
            o.server = argv + i + 1;
            return o.connections > 0 && (o.seconds > 0 || o.messages > 0);
        } else if (arg == "--connections" && more) {
            o.connections = static_cast<unsigned>(std::strtoul(argv[++i], nullptr, 10));
        } else if (arg == "--seconds" && more) {
            o.seconds = std::strtod(argv[++i], nullptr);
        } else if (arg == "--messages" && more) {
            o.messages = std::strtoull(argv[++i], nullptr, 10);
        } else if (arg == "--quick") {
            o.messages = 2000;
        } else {
            return false;
        }
    }
    return false;
}

// The server inherits it.
void allow_many_descriptors() {
    rlimit files{};
    if (getrlimit(RLIMIT_NOFILE, &files) != 0) return;
    files.rlim_cur = std::min<rlim_t>(files.rlim_max, 65536);
    setrlimit(RLIMIT_NOFILE, &files);
}

}  // namespace

int main(int argc, char** argv) {
    options o;
    if (!parse(argc, argv, o)) {
        std::fprintf(stderr,
                     "usage: %s [--connections N] [--seconds S | --messages M] "
                     "[--quick] -- SERVER...\n",
                     argv[0]);
        return 2;
    }
    allow_many_descriptors();
    // Nothing here may hang: a server that swallows a message ends it all.
    alarm(60 + static_cast<unsigned>(2 * o.seconds));
    try {
        const bench::server_process server(o.server);
        load l(o, server);
        l.run();
        l.print();
    } catch (const std::exception& e) {
        std::fprintf(stderr, "%s: %s\n", argv[0], e.what());
        return 1;
    }
}
