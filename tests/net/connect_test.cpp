// SPDX-License-Identifier: BSL-1.0
#include <tendril/net/listener.hpp>
#include <tendril/net/socket.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>
#include <tendril/runtime/timeout.hpp>

#include <chrono>
#include <limits>
#include <string>
#include <vector>

#include "../support/errc_of.hpp"
#include "../support/loopback.hpp"
#include <doctest/doctest.h>
#include <netinet/tcp.h>

using namespace std::chrono_literals;
using namespace tendril;
using test::blackhole;
using test::clean_net_end;
using test::code_of;
using test::connect_pair;
using test::errc_of;

TEST_SUITE_BEGIN("net/connect");

namespace {

// An address where nobody listens, and nobody else can while this lives.
class deaf_port {
  public:
    deaf_port() : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        const net::address any("127.0.0.1", 0);
        bind(fd_, any.data(), any.size());
    }

    deaf_port(const deaf_port&) = delete;
    deaf_port& operator=(const deaf_port&) = delete;

    ~deaf_port() { close(fd_); }

    net::address address() const {
        sockaddr_storage storage{};
        socklen_t size = sizeof storage;
        getsockname(fd_, reinterpret_cast<sockaddr*>(&storage), &size);
        return net::address::from(storage);
    }

  private:
    int fd_;
};

void require_set_up_as_promised(int fd) {
    CHECK((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
    CHECK((fcntl(fd, F_GETFL) & O_NONBLOCK) != 0);
}

}  // namespace

TEST_CASE_FIXTURE(clean_net_end, "both ends know each other's address") {
    auto [client, server] = connect_pair();
    CHECK(client.local_address() == server.peer_address());
    CHECK(client.peer_address() == server.local_address());
    CHECK(client.peer_address().host() == "127.0.0.1");
    CHECK(client.peer_address().port() != 0);
}

TEST_CASE_FIXTURE(clean_net_end, "IPv6 connects as IPv4 does") {
    if (!test::has_ipv6()) {
        MESSAGE("this machine has no IPv6 loopback: not tested");
        return;
    }
    auto [client, server] = connect_pair("::1");
    CHECK(client.peer_address().family() == AF_INET6);
    CHECK(client.peer_address().host() == "::1");
    CHECK(client.local_address() == server.peer_address());
    client.send_all("six");
    CHECK(test::read_some(server) == "six");
}

TEST_CASE_FIXTURE(clean_net_end, "all descriptors are close-on-exec and do not block") {
    const net::listener port = net::listen("127.0.0.1", 0);
    require_set_up_as_promised(port.native_handle());
    auto [client, server] = connect_pair();
    require_set_up_as_promised(client.native_handle());
    require_set_up_as_promised(server.native_handle());

    int ends[2];
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    const net::socket one(ends[0]);
    const net::socket other(ends[1]);
    require_set_up_as_promised(one.native_handle());
    require_set_up_as_promised(other.native_handle());
}

TEST_CASE_FIXTURE(clean_net_end, "small messages are not held back, at either end") {
    auto [client, server] = connect_pair();
    CHECK(client.option(IPPROTO_TCP, TCP_NODELAY) != 0);
    CHECK(server.option(IPPROTO_TCP, TCP_NODELAY) != 0);
}

TEST_CASE_FIXTURE(clean_net_end, "refused: the error says so, and who refused") {
    const deaf_port nobody;
    std::string text;
    try {
        net::connect(nobody.address());
    } catch (const std::system_error& e) {
        CHECK(e.code() == std::errc::connection_refused);
        text = e.what();
    }
    CHECK(text.find("refused") != std::string::npos);
    CHECK(text.find(nobody.address().to_string()) != std::string::npos);

    std::error_code ec;
    const net::socket s = net::connect(nobody.address(), forever, ec);
    CHECK(ec == std::errc::connection_refused);
    CHECK_FALSE(s.is_open());
}

TEST_CASE_FIXTURE(clean_net_end, "a connect that succeeds clears the error code") {
    net::listener port = net::listen("127.0.0.1", 0);
    std::error_code ec = std::make_error_code(std::errc::io_error);
    const net::socket s = net::connect(port.local_address(), 1s, ec);
    CHECK_FALSE(ec);
    CHECK(s.is_open());
}

TEST_CASE_FIXTURE(clean_net_end, "port 0 is nobody's port") {
    CHECK(code_of([] { net::connect("127.0.0.1", 0); }) != std::error_code());
}

TEST_CASE_FIXTURE(clean_net_end,
                  "a host that is not a number is refused before anything is opened") {
    CHECK(code_of([] { net::connect("localhost", 80); }) ==
          std::errc::invalid_argument);
}

TEST_CASE_FIXTURE(clean_net_end,
                  "a connect that nobody answers ends when its time is over") {
    const blackhole nowhere;
    const auto begin = clock::now();
    CHECK(code_of([&] { net::connect(nowhere.address(), 20ms); }) ==
          std::errc::timed_out);
    const auto took = clock::now() - begin;
    CHECK(took >= 20ms);
    CHECK(took < 1s);

    std::error_code ec;
    const net::socket s = net::connect(nowhere.address(), 5ms, ec);
    CHECK(ec == std::errc::timed_out);
    CHECK_FALSE(s.is_open());
}

TEST_CASE_FIXTURE(clean_net_end, "no time at all is enough for nothing") {
    const blackhole nowhere;
    CHECK(code_of([&] { net::connect(nowhere.address(), 0s); }) ==
          std::errc::timed_out);
}

TEST_CASE_FIXTURE(clean_net_end,
                  "a timeout scope around a connect ends it, and nothing leaks") {
    const blackhole nowhere;
    CHECK_FALSE(timeout::silent(5ms, [&] { net::connect(nowhere.address()); }));
}

TEST_CASE_FIXTURE(clean_net_end, "impossible durations are misuse") {
    const net::address anywhere("127.0.0.1", 1);
    CHECK(errc_of([&] { net::connect(anywhere, -1s); }) == errc::bad_argument);
    CHECK(errc_of([&] { net::connect("127.0.0.1", 1, -1ns); }) == errc::bad_argument);
    std::error_code ec;
    CHECK(errc_of([&] { net::connect(anywhere, -1s, ec); }) == errc::bad_argument);
    const std::chrono::duration<double> endless(
        std::numeric_limits<double>::infinity());
    CHECK(errc_of([&] { net::connect(anywhere, endless); }) == errc::bad_argument);
}

TEST_CASE_FIXTURE(clean_net_end,
                  "any duration will do, down to half a second as a fraction") {
    net::listener port = net::listen("127.0.0.1", 0);
    CHECK(net::connect(port.local_address(), 0.5s).is_open());
    CHECK(net::connect(port.local_address(), std::chrono::hours::max()).is_open());
}

TEST_CASE_FIXTURE(clean_net_end, "others run while one connects") {
    net::listener port = net::listen("127.0.0.1", 0);
    std::string order;
    auto other = spawn([&] { order += "other,"; });
    net::socket s = net::connect(port.local_address());
    order += "connected";
    other.wait();
    CHECK(order == "other,connected");
}

TEST_CASE_FIXTURE(clean_net_end, "two hundred connect at once") {
    constexpr std::size_t count = 200;
    net::listener port = net::listen("127.0.0.1", 0);
    std::vector<fiber<net::socket>> dialling;
    for (std::size_t i = 0; i < count; ++i) {
        dialling.push_back(
            spawn([to = port.local_address()] { return net::connect(to); }));
    }
    std::vector<net::socket> accepted;
    while (accepted.size() < count) accepted.push_back(port.accept());
    std::size_t open = 0;
    for (const auto& d : dialling) open += d.wait().is_open() ? 1 : 0;
    CHECK(open == count);
}

TEST_CASE_FIXTURE(clean_net_end,
                  "in a hub callback it is misuse, since it would have to wait") {
    net::listener port = net::listen("127.0.0.1", 0);
    std::optional<errc> said;
    hub::current().call_soon(
        [&] { said = errc_of([&] { net::connect(port.local_address()); }); });
    yield();
    yield();
    CHECK(said == errc::in_hub);
}

TEST_SUITE_END();
