// SPDX-License-Identifier: BSL-1.0
#include <tendril/net/listener.hpp>
#include <tendril/net/socket.hpp>
#include <tendril/runtime/error.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>

#include <algorithm>
#include <functional>
#include <memory>
#include <string>

#include "../support/errc_of.hpp"
#include "../support/loopback.hpp"
#include <doctest/doctest.h>

using namespace tendril;
using test::clean_net_end;
using test::code_of;
using test::connect_pair;
using test::errc_of;
using test::read_some;

TEST_SUITE_BEGIN("net/second waiter");

namespace {

// What the fiber_error (second_waiter) says that `call` throws in a fiber of this name.
std::string complaint(const char* name, std::function<void()> call) {
    return spawn({.name = name},
                 [&]() -> std::string {
                     try {
                         call();
                     } catch (const fiber_error& e) {
                         if (e.code() == errc::second_waiter) return e.what();
                     }
                     return {};
                 })
        .wait();
}

bool names(const std::string& text, const char* first, const char* second) {
    return text.find("'" + std::string(first) + "'") != std::string::npos &&
           text.find("'" + std::string(second) + "'") != std::string::npos;
}

}  // namespace

TEST_CASE_FIXTURE(clean_net_end,
                  "a second reader is told, with both names, and the first goes on") {
    auto [client, server] = connect_pair();
    auto first =
        spawn({.name = "anna"}, [&server = server] { return read_some(server); });
    yield();
    CHECK(names(complaint("bert", [&server = server] { read_some(server); }), "anna",
                "bert"));
    client.send_all("for anna");
    CHECK(first.wait() == "for anna");
}

TEST_CASE_FIXTURE(clean_net_end,
                  "a second writer is told, with both names, and the first goes on") {
    auto [client, server] = connect_pair();
    const std::string flood = test::pattern(20'000'000);
    auto first = spawn({.name = "anna"}, [&, &client = client] {
        client.send_all(flood);
        client.close();
    });
    yield();
    CHECK(names(complaint("bert", [&client = client] { client.send("x"); }), "anna",
                "bert"));
    CHECK(test::read_to_end(server) == flood);
    first.wait();
}

TEST_CASE_FIXTURE(clean_net_end,
                  "a second acceptor is told, with both names, and the first goes on") {
    net::listener port = net::listen("127.0.0.1", 0);
    auto first = spawn({.name = "anna"}, [&] { return port.accept(); });
    yield();
    CHECK(names(complaint("bert", [&] { port.accept(); }), "anna", "bert"));
    const net::socket client = net::connect(port.local_address());
    CHECK(first.wait().peer_address() == client.local_address());
}

TEST_CASE_FIXTURE(clean_net_end,
                  "one who reads and one who writes do not disturb each other") {
    auto [client, server] = connect_pair();
    const std::string flood = test::pattern(20'000'000);
    auto reader = spawn([&client = client] { return read_some(client); });
    auto writer = spawn([&, &client = client] { client.send_all(flood); });
    yield();
    server.send_all("to the reader");
    CHECK(reader.wait() == "to the reader");
    std::string got;
    while (got.size() < flood.size()) got += read_some(server, 100'000);
    CHECK(got == flood);
    writer.wait();
}

TEST_CASE_FIXTURE(clean_net_end, "nobody gets in between the parts of a send_all") {
    // Also while the sender is ready to go on but has not had its turn yet.
    auto [client, server] = connect_pair();
    const std::string flood(20'000'000, 'x');
    auto sender = spawn([&, &client = client] {
        client.send_all(flood);
        client.shutdown(net::shutdown_mode::write);
    });
    yield();
    bool done = false;
    std::size_t got_in = 0, told = 0;
    auto intruder = spawn([&, &client = client] {
        while (!done && !sender.done()) {
            try {
                client.send("!");
                ++got_in;
            } catch (const fiber_error&) {
                ++told;
            } catch (const std::system_error&) {
            }
            yield();
        }
    });
    const std::string got = test::read_to_end(server, 100'000);
    done = true;
    intruder.wait();
    sender.wait();
    CHECK(std::all_of(got.begin(), got.end(), [](char c) { return c == 'x'; }));
    CHECK(got.size() == flood.size());
    CHECK(got_in == 0);
    CHECK(told > 0);
}

TEST_CASE_FIXTURE(clean_net_end,
                  "bytes that have come go to the reader that waited for them") {
    // The reader has been woken; before its turn comes, somebody else asks.
    auto [first_client, first] = connect_pair();
    auto [second_client, second] = connect_pair();
    auto thief = spawn([&first = first, &second = second] {
        read_some(first);
        return errc_of([&] { read_some(second); });
    });
    auto reader = spawn([&second = second] { return read_some(second); });
    yield();
    first_client.send_all("now");
    second_client.send_all("not for the thief");
    CHECK(thief.wait() == errc::second_waiter);
    CHECK(reader.wait() == "not for the thief");
}

TEST_CASE_FIXTURE(clean_net_end,
                  "a place is free again when its holder has been killed") {
    auto [client, server] = connect_pair();
    auto first = spawn([&server = server] { read_some(server); });
    yield();
    first.kill();
    client.send_all("for the next");
    CHECK(read_some(server) == "for the next");
}

TEST_CASE_FIXTURE(clean_net_end,
                  "a fiber that is told may wait for the other, and go on then") {
    auto [client, server] = connect_pair();
    auto first = spawn([&server = server] { return read_some(server, 1); });
    yield();
    CHECK(errc_of([&server = server] { read_some(server); }) == errc::second_waiter);
    client.send_all("ab");
    CHECK(first.wait() == "a");
    CHECK(read_some(server) == "b");
}

TEST_SUITE_END();
