// SPDX-License-Identifier: BSL-1.0
#include <tendril/net/listener.hpp>
#include <tendril/net/socket.hpp>
#include <tendril/runtime/hub.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>

#include <memory>
#include <string>
#include <system_error>

#include "../support/loopback.hpp"
#include <doctest/doctest.h>

using namespace tendril;
using test::clean_net_end;
using test::code_of;
using test::connect_pair;
using test::connection;
using test::read_some;

TEST_SUITE_BEGIN("net/close");

namespace {

const std::errc closed = std::errc::bad_file_descriptor;

const std::string& flood() {
    static const std::string text(32'000'000, 'x');
    return text;
}

fiber<std::error_code> reader_of(net::socket& s) {
    return spawn([&s] { return code_of([&] { read_some(s); }); });
}

fiber<std::error_code> writer_of(net::socket& s) {
    return spawn([&s] { return code_of([&] { s.send_all(flood()); }); });
}

// Both have ended within one turn, without any look at the outside.
void check_woken_at_once(const fiber<std::error_code>& a,
                         const fiber<std::error_code>& b) {
    yield();
    REQUIRE(a.done());
    REQUIRE(b.done());
    CHECK(a.wait() == closed);
    CHECK(b.wait() == closed);
}

}  // namespace

TEST_CASE_FIXTURE(clean_net_end, "closing wakes reader and writer at once") {
    auto [client, server] = connect_pair();
    auto reader = reader_of(client);
    auto writer = writer_of(client);
    yield();
    client.close();
    check_woken_at_once(reader, writer);
    CHECK_FALSE(client.is_open());
}

TEST_CASE_FIXTURE(clean_net_end, "destroying the socket wakes them too") {
    auto c = std::make_unique<connection>(connect_pair());
    auto reader = reader_of(c->client);
    auto writer = writer_of(c->client);
    yield();
    c.reset();
    check_woken_at_once(reader, writer);
}

TEST_CASE_FIXTURE(clean_net_end,
                  "so does assigning another connection to it, which they never see") {
    auto [client, server] = connect_pair();
    auto [next_client, next_server] = connect_pair();
    auto reader = reader_of(client);
    auto writer = writer_of(client);
    yield();
    next_server.send_all("for somebody else");
    client = std::move(next_client);
    check_woken_at_once(reader, writer);
    CHECK(read_some(client) == "for somebody else");
    client.close();
    CHECK(read_some(next_server).empty());
}

TEST_CASE_FIXTURE(clean_net_end, "moving the socket away does not disturb them") {
    auto [client, server] = connect_pair();
    auto reader = spawn([&client = client] { return read_some(client); });
    yield();
    net::socket elsewhere = std::move(client);
    server.send_all("still here");
    CHECK(reader.wait() == "still here");
}

TEST_CASE_FIXTURE(clean_net_end,
                  "a send of many parts goes to the end when the socket moves away, or "
                  "is told that it was closed") {
    for (const bool close_it : {false, true}) {
        auto [client, server] = connect_pair();
        auto box = std::make_unique<net::socket>(std::move(client));
        auto writer = writer_of(*box);
        yield();
        net::socket elsewhere = std::move(*box);
        box.reset();
        std::size_t got = 0;
        while (got < flood().size()) {
            if (close_it && got > flood().size() / 2) elsewhere.close();
            const std::size_t n = read_some(server, 100'000).size();
            if (n == 0) break;
            got += n;
        }
        CHECK(writer.wait() ==
              (close_it ? std::make_error_code(closed) : std::error_code()));
        CHECK((got == flood().size()) == !close_it);
    }
}

TEST_CASE_FIXTURE(clean_net_end, "closing a port wakes who accepts") {
    net::listener port = net::listen("127.0.0.1", 0);
    auto acceptor = spawn([&] { return code_of([&] { port.accept(); }); });
    yield();
    port.close();
    yield();
    REQUIRE(acceptor.done());
    CHECK(acceptor.wait() == closed);

    auto gone = std::make_unique<net::listener>(net::listen("127.0.0.1", 0));
    acceptor = spawn([&] { return code_of([&] { gone->accept(); }); });
    yield();
    gone.reset();
    yield();
    REQUIRE(acceptor.done());
    CHECK(acceptor.wait() == closed);
}

TEST_CASE_FIXTURE(
    clean_net_end,
    "a reader that has been woken by bytes, and not run yet, is told of the close") {
    // Both events come in one batch; the first fiber closes under the second.
    auto [first_client, first] = connect_pair();
    auto [second_client, second] = connect_pair();
    auto closer = spawn([&first = first, &second = second] {
        read_some(first);
        second.close();
    });
    auto reader = reader_of(second);
    yield();
    first_client.send_all("now");
    second_client.send_all("too late");
    CHECK(reader.wait() == closed);
    closer.wait();
}

TEST_CASE_FIXTURE(clean_net_end, "a hub callback may close what a fiber reads") {
    auto [client, server] = connect_pair();
    auto reader = reader_of(server);
    yield();
    hub::current().call_soon([&server = server] { server.close(); });
    CHECK(reader.wait() == closed);
    CHECK(read_some(client).empty());
}

TEST_CASE_FIXTURE(clean_net_end,
                  "who gets the number next is no concern of those who waited") {
    // Closed and reopened under a reader that is parked, and under one whose bytes have
    // come but who has not run yet.
    constexpr int rounds = 10'000;
    net::listener port = net::listen("127.0.0.1", 0);
    const net::address to = port.local_address();
    const auto dial = [&] {
        connection c;
        c.client = net::connect(to);
        c.server = port.accept();
        return c;
    };
    int same_number = 0, told = 0, right = 0;
    for (int i = 0; i < rounds; ++i) {
        connection old = dial();
        auto waits = reader_of(old.server);
        yield();
        if (i % 2 != 0) old.client.send_all("old bytes");
        const int number = old.server.native_handle();
        old.server.close();
        connection next = dial();
        const bool same = next.client.native_handle() == number;
        same_number += same ? 1 : 0;
        net::socket& mine = same ? next.client : next.server;
        net::socket& peer = same ? next.server : next.client;
        peer.send_all("new bytes");
        told += waits.wait() == closed ? 1 : 0;
        right += read_some(mine) == "new bytes" ? 1 : 0;
        test::reset(next.client);
        test::reset(old.client);
    }
    CHECK(same_number == rounds);
    CHECK(told == rounds);
    CHECK(right == rounds);
}

TEST_CASE_FIXTURE(clean_net_end,
                  "closing twice is fine, and does not close a successor") {
    auto [client, server] = connect_pair();
    const int number = client.native_handle();
    client.close();
    auto [next_client, next_server] = connect_pair();
    REQUIRE((next_client.native_handle() == number ||
             next_server.native_handle() == number));
    client.close();
    CHECK_NOTHROW(client = net::socket());
    next_client.send_all("alive");
    CHECK(read_some(next_server) == "alive");

    net::listener port = net::listen("127.0.0.1", 0);
    port.close();
    CHECK_NOTHROW(port.close());
    net::socket never_open;
    CHECK_NOTHROW(never_open.close());
}

TEST_CASE_FIXTURE(
    clean_net_end,
    "a closed socket answers every call with the error, and no call hangs") {
    auto [client, server] = connect_pair();
    client.close();
    net::socket never_open;
    for (net::socket* s : {&client, &never_open}) {
        char buffer[8];
        CHECK_FALSE(s->is_open());
        CHECK_FALSE(static_cast<bool>(*s));
        CHECK(s->native_handle() == -1);
        CHECK(s->release() == -1);
        CHECK(code_of([&] { s->recv(buffer); }) == closed);
        CHECK(code_of([&] { s->recv(8); }) == closed);
        CHECK(code_of([&] { s->send("x"); }) == closed);
        CHECK(code_of([&] { s->send(""); }) == closed);
        CHECK(code_of([&] { s->send_all("x"); }) == closed);
        CHECK(code_of([&] { s->shutdown(); }) == closed);
        CHECK(code_of([&] { s->set_no_delay(true); }) == closed);
        CHECK(code_of([&] { s->option(SOL_SOCKET, SO_ERROR); }) == closed);
        CHECK(code_of([&] { s->local_address(); }) == closed);
        CHECK(code_of([&] { s->peer_address(); }) == closed);
        std::error_code ec;
        CHECK(s->recv(buffer, ec) == 0);
        CHECK(ec == closed);
        ec.clear();
        CHECK(s->send_all("x", ec) == 0);
        CHECK(ec == closed);
    }
    net::listener port;
    CHECK_FALSE(port.is_open());
    CHECK(port.native_handle() == -1);
    CHECK(code_of([&] { port.accept(); }) == closed);
    CHECK(code_of([&] { port.local_address(); }) == closed);
    CHECK_NOTHROW(port.close());
}

TEST_CASE_FIXTURE(
    clean_net_end,
    "releasing wakes those who wait, and leaves the connection to the caller") {
    auto [client, server] = connect_pair();
    auto reader = reader_of(client);
    auto writer = writer_of(client);
    yield();
    const int fd = client.release();
    check_woken_at_once(reader, writer);
    CHECK_FALSE(client.is_open());
    REQUIRE(fd >= 0);

    net::socket again(fd);
    server.send_all("still connected");
    CHECK(read_some(again) == "still connected");
}

TEST_SUITE_END();
