// SPDX-License-Identifier: BSL-1.0
#include <tendril/net/listener.hpp>
#include <tendril/net/socket.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>

#include <array>
#include <chrono>
#include <cstring>
#include <string>
#include <type_traits>
#include <utility>

#include "../support/errc_of.hpp"
#include "../support/loopback.hpp"
#include "../support/other_thread.hpp"
#include <doctest/doctest.h>
#include <netinet/tcp.h>

using namespace std::chrono_literals;
using namespace tendril;
using test::clean_net_end;
using test::code_of;
using test::connect_pair;
using test::errc_of;
using test::pattern;
using test::read_some;
using test::read_to_end;

TEST_SUITE_BEGIN("net/recv and send");

TEST_CASE_FIXTURE(clean_net_end,
                  "recv returns what is there, and leaves what does not fit") {
    auto [client, server] = connect_pair();
    client.send_all("0123456789");
    std::array<char, 4> four{};
    CHECK(server.recv(four) == 4);
    CHECK(std::string(four.data(), 4) == "0123");
    CHECK(server.recv(2) == "45");
    CHECK(server.recv(100) == "6789");
}

TEST_CASE_FIXTURE(clean_net_end,
                  "recv parks until there is a byte, while the others run") {
    auto [client, server] = connect_pair();
    std::string order;
    auto reader = spawn([&, &server = server] {
        order += "asks,";
        order += read_some(server);
    });
    yield();
    order += "sends,";
    client.send_all("gets");
    reader.wait();
    CHECK(order == "asks,sends,gets");
}

TEST_CASE_FIXTURE(clean_net_end,
                  "nothing asked for is nothing done, whatever is there") {
    auto [client, server] = connect_pair();
    client.send_all("kept");
    CHECK(server.recv(std::span<char>()) == 0);
    CHECK(server.recv(0) == "");
    CHECK(read_some(server) == "kept");
}

TEST_CASE_FIXTURE(clean_net_end,
                  "sending nothing does not wait for a peer that is slow") {
    auto [client, server] = connect_pair();
    test::stuff(client);
    client.set_write_timeout(0s);
    const auto would_block = std::errc::resource_unavailable_try_again;
    CHECK(code_of([&, &client = client] { client.send("x"); }) == would_block);
    client.set_write_timeout(10s);
    const auto begin = clock::now();
    CHECK(client.send("") == 0);
    client.send_all("");
    CHECK(clock::now() - begin < 5s);
}

TEST_CASE_FIXTURE(clean_net_end, "byte by byte, out and in") {
    auto [client, server] = connect_pair();
    const std::string text = pattern(5000);
    auto writer = spawn([&, &client = client] {
        for (const char& c : text) client.send_all(std::string_view(&c, 1));
        client.shutdown(net::shutdown_mode::write);
    });
    CHECK(read_to_end(server, 1) == text);
    writer.wait();
}

TEST_CASE_FIXTURE(
    clean_net_end,
    "ten million bytes wait for a reader that starts late, and arrive whole") {
    auto [client, server] = connect_pair();
    const std::string text = pattern(10'000'000);
    bool sent = false;
    auto writer = spawn([&, &client = client] {
        client.send_all(text);
        client.close();
        sent = true;
    });
    for (int i = 0; i < 1000; ++i) yield();
    CHECK_FALSE(sent);
    const std::string got = read_to_end(server);
    CHECK(got.size() == text.size());
    CHECK(got == text);
    writer.wait();
}

TEST_CASE_FIXTURE(clean_net_end,
                  "the smallest buffer at the sender only makes it slower") {
    auto [client, server] = connect_pair();
    client.set_option(SOL_SOCKET, SO_SNDBUF, 1);
    const std::string text = pattern(1'000'000);
    auto writer = spawn([&, &client = client] {
        client.send_all(text);
        client.close();
    });
    CHECK(read_to_end(server, 777) == text);
    writer.wait();
}

TEST_CASE_FIXTURE(clean_net_end, "send takes a part, and says how much") {
    auto [client, server] = connect_pair();
    client.set_option(SOL_SOCKET, SO_SNDBUF, 1);
    const std::string text = pattern(10'000'000);
    const std::size_t n = client.send(text);
    CHECK(n > 0);
    CHECK(n < text.size());
    client.close();
    CHECK(read_to_end(server) == text.substr(0, n));
}

TEST_CASE_FIXTURE(clean_net_end,
                  "both directions at once, by two fibers on each socket") {
    auto [client, server] = connect_pair();
    const std::string out = pattern(4'000'000, 1);
    const std::string back = pattern(4'000'000, 2);
    const auto send_it = [](net::socket& s, const std::string& text) {
        s.send_all(text);
        s.shutdown(net::shutdown_mode::write);
    };
    auto one = spawn(send_it, std::ref(client), std::cref(out));
    auto two = spawn(send_it, std::ref(server), std::cref(back));
    auto three = spawn([&server = server] { return read_to_end(server); });
    const std::string got_back = read_to_end(client);
    CHECK(got_back == back);
    CHECK(three.wait() == out);
    one.wait();
    two.wait();
}

TEST_CASE_FIXTURE(clean_net_end,
                  "writing to a peer that is gone is an error and no signal") {
    auto [client, server] = connect_pair();
    test::reset(server);
    const auto send_on = [&client = client] {
        for (;;) client.send_all("anybody there?");
    };
    CHECK(code_of(send_on) == std::errc::connection_reset);
    CHECK(code_of(send_on) == std::errc::broken_pipe);
    std::error_code ec;
    CHECK(client.send_all("hello", ec) == 0);
    CHECK(ec == std::errc::broken_pipe);
}

TEST_CASE_FIXTURE(clean_net_end, "an error code is cleared by a call that succeeds") {
    auto [client, server] = connect_pair();
    const std::error_code stale = std::make_error_code(std::errc::io_error);
    std::error_code ec = stale;
    CHECK(client.send("abc", ec) == 3);
    CHECK_FALSE(ec);
    ec = stale;
    CHECK(client.send_all("def", ec) == 3);
    CHECK_FALSE(ec);
    ec = stale;
    std::array<char, 16> buffer{};
    CHECK(server.recv(buffer, ec) == 6);
    CHECK_FALSE(ec);
    ec = stale;
    client.shutdown(net::shutdown_mode::both, ec);
    CHECK_FALSE(ec);
}

TEST_CASE_FIXTURE(clean_net_end, "options are set and read") {
    auto [client, server] = connect_pair();
    client.set_no_delay(false);
    CHECK(client.option(IPPROTO_TCP, TCP_NODELAY) == 0);
    client.set_no_delay(true);
    CHECK(client.option(IPPROTO_TCP, TCP_NODELAY) == 1);
    client.set_keep_alive(true);
    CHECK(client.option(SOL_SOCKET, SO_KEEPALIVE) == 1);
    client.set_keep_alive(false);
    CHECK(client.option(SOL_SOCKET, SO_KEEPALIVE) == 0);
    client.set_option(IPPROTO_TCP, TCP_KEEPIDLE, 77);
    CHECK(client.option(IPPROTO_TCP, TCP_KEEPIDLE) == 77);
    CHECK(code_of([&, &client = client] { client.set_option(SOL_SOCKET, -1, 1); }) ==
          std::errc::no_protocol_option);
    CHECK(code_of([&, &client = client] { client.option(SOL_SOCKET, -1); }) ==
          std::errc::no_protocol_option);
}

TEST_CASE_FIXTURE(clean_net_end,
                  "a moved-from socket is closed, and the connection is the other's") {
    static_assert(!std::is_copy_constructible_v<net::socket>);
    static_assert(!std::is_copy_assignable_v<net::socket>);
    static_assert(std::is_nothrow_move_constructible_v<net::socket>);
    static_assert(std::is_nothrow_move_assignable_v<net::socket>);
    auto [client, server] = connect_pair();
    const int fd = client.native_handle();
    net::socket other = std::move(client);
    CHECK_FALSE(client.is_open());
    CHECK(client.native_handle() == -1);
    CHECK(code_of([&, &client = client] { client.send("x"); }) ==
          std::errc::bad_file_descriptor);
    CHECK(other.native_handle() == fd);
    other.send_all("mine now");
    CHECK(read_some(server) == "mine now");
}

TEST_CASE_FIXTURE(
    clean_net_end,
    "a descriptor from elsewhere becomes a socket, or stays its owner's") {
    int ends[2];
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    net::socket one(ends[0]);
    net::socket other(ends[1]);
    auto reader = spawn([&] { return read_to_end(other); });
    yield();
    one.send_all("by another way");
    one.close();
    CHECK(reader.wait() == "by another way");
    CHECK(code_of([] { net::socket s(-1); }) == std::errc::bad_file_descriptor);
}

TEST_CASE_FIXTURE(clean_net_end,
                  "a socket of another family has no such address, and says so") {
    int ends[2];
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    const net::socket one(ends[0]);
    const net::socket other(ends[1]);
    CHECK(code_of([&] { one.local_address(); }) ==
          std::errc::address_family_not_supported);
    CHECK(code_of([&] { one.peer_address(); }) ==
          std::errc::address_family_not_supported);
}

TEST_CASE_FIXTURE(clean_net_end,
                  "a descriptor passed along does not hide the bytes behind it") {
    int ends[2];
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    net::socket one(ends[0]);
    net::socket other(ends[1]);
    other.set_read_timeout(5s);
    auto reader = spawn([&] {
        std::string got = read_some(other);
        got += read_some(other);
        return got;
    });
    yield();

    char first[] = "with a descriptor,";
    iovec part{.iov_base = first, .iov_len = sizeof first - 1};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    cmsghdr* const rights = CMSG_FIRSTHDR(&message);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(sizeof(int));
    const int passed = one.native_handle();
    std::memcpy(CMSG_DATA(rights), &passed, sizeof passed);
    REQUIRE(sendmsg(one.native_handle(), &message, MSG_NOSIGNAL) > 0);
    one.send_all("and without");

    // The system cuts the first read short, and has told of both parts at once.
    CHECK(reader.wait() == "with a descriptor,and without");
}

TEST_CASE_FIXTURE(clean_net_end, "a text ends before its NUL, in UTF-8 too") {
    auto [client, server] = connect_pair();
    std::error_code ec;
    client.send_all(u8"\u00e9");
    CHECK(server.recv(100) == "\xc3\xa9");
    CHECK(client.send_all("ab", ec) == 2);
    CHECK(client.send(u8"cd") == 2);
    CHECK(client.send(u8"ef", ec) == 2);
    CHECK(server.recv(100) == "abcdef");
}

TEST_SUITE_END();
