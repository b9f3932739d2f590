// SPDX-License-Identifier: BSL-1.0
#include <tendril/net/listener.hpp>
#include <tendril/net/socket.hpp>
#include <tendril/runtime/error.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>

#include <string>

#include "../support/loopback.hpp"
#include <doctest/doctest.h>

using namespace tendril;
using test::clean_net_end;
using test::code_of;
using test::connect_pair;
using test::read_some;

TEST_SUITE_BEGIN("net/kill");

namespace {

// Not a std::exception, so that nothing on the way takes it for an error of its own.
struct stop {};

// Spawns `f`, lets it park, and kills it: it must be over then.
template <class F>
void park_and_kill(F f) {
    auto victim = spawn(f);
    for (int i = 0; i < 3; ++i) yield();
    REQUIRE_FALSE(victim.done());
    victim.kill(stop{});
    REQUIRE(victim.done());
    CHECK_THROWS_AS(victim.wait(), stop);
}

}  // namespace

TEST_CASE_FIXTURE(clean_net_end, "a killed reader leaves every byte where it is") {
    auto [client, server] = connect_pair();
    park_and_kill([&server = server] { read_some(server); });
    client.send_all("nothing lost");
    CHECK(read_some(server) == "nothing lost");
}

TEST_CASE_FIXTURE(clean_net_end,
                  "a reader killed when its bytes have come leaves them too") {
    auto [first_client, first] = connect_pair();
    auto [second_client, second] = connect_pair();
    any_fiber victim;
    auto killer = spawn([&, &first = first] {
        read_some(first);
        victim.kill(stop{});
    });
    auto reader = spawn([&second = second] { read_some(second); });
    victim = reader;
    yield();
    first_client.send_all("now");
    second_client.send_all("nothing lost");
    CHECK_THROWS_AS(reader.wait(), stop);
    killer.wait();
    CHECK(read_some(second) == "nothing lost");
}

TEST_CASE_FIXTURE(clean_net_end, "a killed writer leaves a socket that still works") {
    auto [client, server] = connect_pair();
    const std::string flood(32'000'000, 'x');
    park_and_kill([&, &client = client] { client.send_all(flood); });
    auto writer = spawn([&client = client] {
        client.send_all("!");
        client.close();
    });
    CHECK(test::read_to_end(server).back() == '!');
    writer.wait();
}

TEST_CASE_FIXTURE(clean_net_end,
                  "a killed acceptor leaves the connection in the backlog") {
    net::listener port = net::listen("127.0.0.1", 0);
    park_and_kill([&] { port.accept(); });
    net::socket client = net::connect(port.local_address());
    net::socket server = port.accept();
    client.send_all("accepted");
    CHECK(read_some(server) == "accepted");
}

TEST_CASE_FIXTURE(clean_net_end,
                  "an acceptor killed when a connection has come leaves it there too") {
    auto [first_client, first] = connect_pair();
    net::listener port = net::listen("127.0.0.1", 0);
    any_fiber victim;
    auto killer = spawn([&, &first = first] {
        read_some(first);
        victim.kill(stop{});
    });
    auto acceptor = spawn([&] { port.accept(); });
    victim = acceptor;
    yield();
    first_client.send_all("now");
    net::socket client = net::connect(port.local_address());
    CHECK_THROWS_AS(acceptor.wait(), stop);
    killer.wait();
    CHECK(port.accept().peer_address() == client.local_address());
}

TEST_CASE_FIXTURE(clean_net_end, "a killed connect leaves nothing") {
    const test::blackhole nowhere;
    park_and_kill([&] { net::connect(nowhere.address()); });
}

TEST_CASE_FIXTURE(clean_net_end,
                  "an error code does not swallow a kill, not even by a system_error") {
    auto [client, server] = connect_pair();
    std::error_code ec;
    char buffer[8];
    auto reader = spawn([&, &server = server] { server.recv(buffer, ec); });
    yield();
    reader.kill(std::system_error(std::make_error_code(std::errc::io_error)));
    CHECK(code_of([&] { reader.wait(); }) == std::errc::io_error);
    CHECK_FALSE(ec);
}

TEST_CASE_FIXTURE(clean_net_end,
                  "a fiber that catches its kill can go on with the same socket") {
    auto [client, server] = connect_pair();
    auto stubborn = spawn([&server = server] {
        try {
            read_some(server);
        } catch (const stop&) {
        }
        return read_some(server);
    });
    yield();
    stubborn.kill(stop{});
    client.send_all("second try");
    CHECK(stubborn.wait() == "second try");
}

TEST_CASE_FIXTURE(clean_net_end,
                  "a fiber whose calls never have to wait can be killed all the same") {
    auto [client, server] = connect_pair();
    constexpr int enough = 100'000;
    int rounds = 0;
    auto busy = spawn([&, &client = client, &server = server] {
        for (; rounds < enough; ++rounds) {
            client.send_all("x");
            read_some(server, 1);
        }
    });
    yield();
    REQUIRE_FALSE(busy.done());
    busy.kill(stop{});
    busy.join();
    CHECK(rounds < enough);
    CHECK_THROWS_AS(busy.wait(), stop);
}

TEST_CASE_FIXTURE(
    clean_net_end,
    "an acceptor that never has to wait can be killed, and loses nothing") {
    net::listener port = net::listen("127.0.0.1", 0);
    std::vector<net::socket> clients;
    for (int i = 0; i < 300; ++i) clients.push_back(net::connect(port.local_address()));
    std::vector<net::socket> accepted;
    auto busy = spawn([&] {
        for (;;) accepted.push_back(port.accept());
    });
    yield();
    REQUIRE(accepted.size() < clients.size());
    busy.kill(stop{});
    busy.join();
    CHECK(accepted.size() < clients.size());
    while (accepted.size() < clients.size()) accepted.push_back(port.accept());
    CHECK_THROWS_AS(busy.wait(), stop);
}

TEST_SUITE_END();
