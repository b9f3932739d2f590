// SPDX-License-Identifier: BSL-1.0
#include <tendril/net/listener.hpp>
#include <tendril/net/socket.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>
#include <tendril/runtime/timeout.hpp>

#include <chrono>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "../support/loopback.hpp"
#include <doctest/doctest.h>

using namespace std::chrono_literals;
using namespace tendril;
using test::clean_net_end;
using test::code_of;

TEST_SUITE_BEGIN("net/listener");

TEST_CASE_FIXTURE(clean_net_end,
                  "port 0 becomes a free port, which the listener tells") {
    const net::listener one = net::listen("127.0.0.1", 0);
    const net::listener other = net::listen("127.0.0.1", 0);
    CHECK(one.local_address().host() == "127.0.0.1");
    CHECK(one.local_address().port() != 0);
    CHECK(one.local_address().port() != other.local_address().port());
}

TEST_CASE_FIXTURE(clean_net_end, "a port in use is an error that names the address") {
    const net::listener first = net::listen("127.0.0.1", 0);
    std::string text;
    try {
        net::listen(first.local_address());
    } catch (const std::system_error& e) {
        CHECK(e.code() == std::errc::address_in_use);
        text = e.what();
    }
    CHECK(text.find(first.local_address().to_string()) != std::string::npos);
}

TEST_CASE_FIXTURE(clean_net_end,
                  "an address that is not ours is an error that names it") {
    std::string text;
    try {
        net::listen("198.51.100.1", 0);
    } catch (const std::system_error& e) {
        CHECK(e.code() == std::errc::address_not_available);
        text = e.what();
    }
    CHECK(text.find("198.51.100.1:0") != std::string::npos);
}

TEST_CASE_FIXTURE(clean_net_end, "a host that is not a number is an error") {
    CHECK(code_of([] { net::listen("localhost", 0); }) == std::errc::invalid_argument);
    CHECK(code_of([] { net::listen("", 0); }) == std::errc::invalid_argument);
}

TEST_CASE_FIXTURE(clean_net_end,
                  "a port is free again as soon as its listener is gone") {
    // Also when a connection of it has been closed by this side first.
    net::address at;
    {
        net::listener port = net::listen("127.0.0.1", 0);
        at = port.local_address();
        net::socket client = net::connect(at);
        port.accept().close();
        CHECK(client.recv(1).empty());
    }
    CHECK(net::listen(at).local_address() == at);
}

TEST_CASE_FIXTURE(clean_net_end, "two listeners share a port if both ask for that") {
    const net::listen_options shared{.reuse_port = true};
    const net::listener one = net::listen("127.0.0.1", 0, shared);
    const net::listener other = net::listen(one.local_address(), shared);
    CHECK(one.local_address() == other.local_address());
    CHECK(code_of([&] { net::listen(one.local_address()); }) ==
          std::errc::address_in_use);
}

TEST_CASE_FIXTURE(clean_net_end, "an IPv6 port takes IPv4 too, unless told not to") {
    if (!test::has_ipv6()) {
        MESSAGE("this machine has no IPv6 loopback: not tested");
        return;
    }
    net::listener both = net::listen("::", 0);
    const net::socket client = net::connect("127.0.0.1", both.local_address().port());
    CHECK(both.accept().peer_address().host() == "::ffff:127.0.0.1");

    const net::listener six = net::listen("::", 0, {.v6_only = true});
    const std::uint16_t port = six.local_address().port();
    CHECK(code_of([&] { net::connect("127.0.0.1", port); }) ==
          std::errc::connection_refused);
    CHECK(net::connect("::1", port).is_open());
}

TEST_CASE_FIXTURE(clean_net_end, "connections are accepted in the order they came") {
    net::listener port = net::listen("127.0.0.1", 0);
    std::vector<net::socket> clients;
    for (int i = 0; i < 100; ++i) clients.push_back(net::connect(port.local_address()));
    for (const net::socket& client : clients) {
        REQUIRE(port.accept().peer_address() == client.local_address());
    }
}

TEST_CASE_FIXTURE(clean_net_end,
                  "accept parks until somebody comes, while the others run") {
    net::listener port = net::listen("127.0.0.1", 0);
    std::string order;
    auto acceptor = spawn([&] {
        order += "asks,";
        port.accept();
        order += "gets";
    });
    yield();
    order += "connects,";
    const net::socket client = net::connect(port.local_address());
    acceptor.wait();
    CHECK(order == "asks,connects,gets");
}

TEST_CASE_FIXTURE(clean_net_end,
                  "accept gives up after its limit, and takes who comes later") {
    net::listener port = net::listen("127.0.0.1", 0);
    port.set_accept_timeout(20ms);
    const auto begin = clock::now();
    CHECK(code_of([&] { port.accept(); }) == std::errc::timed_out);
    CHECK(clock::now() - begin >= 20ms);

    port.set_accept_timeout(0s);
    CHECK(code_of([&] { port.accept(); }) == std::errc::resource_unavailable_try_again);
    std::error_code ec;
    CHECK_FALSE(port.accept(ec).is_open());
    CHECK(ec == std::errc::resource_unavailable_try_again);

    const net::socket client = net::connect(port.local_address());
    CHECK(port.accept(ec).peer_address() == client.local_address());
    CHECK_FALSE(ec);
}

TEST_CASE_FIXTURE(clean_net_end, "a timeout scope around accept loses no connection") {
    net::listener port = net::listen("127.0.0.1", 0);
    CHECK_FALSE(timeout::silent(5ms, [&] { port.accept(); }));
    const net::socket client = net::connect(port.local_address());
    CHECK(port.accept().peer_address() == client.local_address());
}

TEST_CASE_FIXTURE(clean_net_end,
                  "a moved-from listener is closed, and the port is the other's") {
    static_assert(!std::is_copy_constructible_v<net::listener>);
    static_assert(!std::is_copy_assignable_v<net::listener>);
    static_assert(std::is_nothrow_move_constructible_v<net::listener>);
    static_assert(std::is_nothrow_move_assignable_v<net::listener>);
    net::listener port = net::listen("127.0.0.1", 0);
    const net::address at = port.local_address();
    net::listener other = std::move(port);
    CHECK_FALSE(port.is_open());
    CHECK(code_of([&] { port.accept(); }) == std::errc::bad_file_descriptor);
    const net::socket client = net::connect(at);
    CHECK(other.accept().peer_address() == client.local_address());
}

TEST_CASE_FIXTURE(clean_net_end, "who accepts goes on when the listener moves away") {
    net::listener port = net::listen("127.0.0.1", 0);
    auto acceptor = spawn([&] { return port.accept().is_open(); });
    yield();
    net::listener elsewhere = std::move(port);
    const net::socket client = net::connect(elsewhere.local_address());
    CHECK(acceptor.wait());
}

TEST_CASE_FIXTURE(clean_net_end,
                  "closing the port refuses those who have not been accepted") {
    net::listener port = net::listen("127.0.0.1", 0);
    const net::address at = port.local_address();
    net::socket waiting = net::connect(at);
    port.close();
    CHECK(code_of([&] { waiting.recv(1); }) == std::errc::connection_reset);
    CHECK(code_of([&] { net::connect(at); }) == std::errc::connection_refused);
}

TEST_SUITE_END();
