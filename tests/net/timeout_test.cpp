// SPDX-License-Identifier: BSL-1.0
#include <tendril/net/listener.hpp>
#include <tendril/net/socket.hpp>
#include <tendril/runtime/hub.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>
#include <tendril/runtime/timeout.hpp>

#include <chrono>
#include <limits>
#include <string>

#include "../support/errc_of.hpp"
#include "../support/loopback.hpp"
#include <doctest/doctest.h>

using namespace std::chrono_literals;
using namespace tendril;
using test::clean_net_end;
using test::code_of;
using test::connect_pair;
using test::errc_of;
using test::read_some;

TEST_SUITE_BEGIN("net/timeouts");

namespace {

const std::errc over = std::errc::timed_out;
const std::errc would_block = std::errc::resource_unavailable_try_again;

// What a call ends with, which must take that long and not much longer.
template <class F>
std::error_code code_after(duration d, F call) {
    const auto begin = clock::now();
    const std::error_code code = code_of(call);
    const auto took = clock::now() - begin;
    CHECK(took >= d);
    CHECK(took < d + 2s);
    return code;
}

}  // namespace

TEST_CASE_FIXTURE(clean_net_end,
                  "a read limit of 50 ms, then none at all, then 50 ms again") {
    auto [client, server] = connect_pair();
    const auto read = [&server = server] { read_some(server); };
    server.set_read_timeout(50ms);
    CHECK(code_after(50ms, read) == over);
    server.set_read_timeout(0s);
    CHECK(code_after(0ms, read) == would_block);
    server.set_read_timeout(50ms);
    CHECK(code_after(50ms, read) == over);
    CHECK(hub::current().armed_timers() == 0);
}

TEST_CASE_FIXTURE(clean_net_end,
                  "a write limit likewise, with a peer that does not read") {
    auto [client, server] = connect_pair();
    const std::string flood(32'000'000, 'x');
    const auto write = [&, &client = client] { client.send_all(flood); };
    client.set_write_timeout(20ms);
    CHECK(code_after(20ms, write) == over);
    client.set_write_timeout(0s);
    CHECK(code_after(0ms, write) == would_block);
    client.set_write_timeout(20ms);
    CHECK(code_after(20ms, write) == over);
}

TEST_CASE_FIXTURE(clean_net_end,
                  "a send_all that does not end in time tells how much was sent") {
    auto [client, server] = connect_pair();
    const std::string text = test::pattern(32'000'000);
    client.set_write_timeout(5ms);
    std::error_code ec;
    const std::size_t sent = client.send_all(text, ec);
    CHECK(ec == over);
    CHECK(sent > 0);
    CHECK(sent < text.size());
    client.close();
    CHECK(test::read_to_end(server) == text.substr(0, sent));
}

TEST_CASE_FIXTURE(clean_net_end, "what is there is read without any time at all") {
    auto [client, server] = connect_pair();
    client.send_all("here");
    server.set_read_timeout(0s);
    CHECK(read_some(server) == "here");
    std::error_code ec;
    char buffer[8];
    CHECK(server.recv(buffer, ec) == 0);
    CHECK(ec == would_block);
    client.send_all("more");
    CHECK(read_some(server) == "more");
    client.close();
    CHECK(read_some(server).empty());
}

TEST_CASE_FIXTURE(clean_net_end,
                  "bytes that come after the limit are there for the next read") {
    auto [client, server] = connect_pair();
    server.set_read_timeout(5ms);
    CHECK(code_of([&server = server] { read_some(server); }) == over);
    client.send_all("late");
    CHECK(read_some(server) == "late");
}

TEST_CASE_FIXTURE(clean_net_end, "a limit is for one call, not for all together") {
    auto [client, server] = connect_pair();
    server.set_read_timeout(500ms);
    auto writer = spawn([&client = client] {
        for (int i = 0; i < 6; ++i) {
            tendril::sleep(100ms);
            client.send_all("x");
        }
        client.close();
    });
    CHECK(test::read_to_end(server) == "xxxxxx");
    writer.wait();
}

TEST_CASE_FIXTURE(clean_net_end,
                  "the write limit counts for each part that the system takes") {
    auto [client, server] = connect_pair();
    client.set_option(SOL_SOCKET, SO_SNDBUF, 1);
    server.set_option(SOL_SOCKET, SO_RCVBUF, 64 * 1024);
    client.set_write_timeout(300ms);
    const std::string text = test::pattern(5'000'000);
    auto writer = spawn([&, &client = client] {
        client.send_all(text);
        client.close();
    });
    std::string got;
    for (int i = 0; i < 6; ++i) {
        tendril::sleep(100ms);
        got += read_some(server, 100'000);
    }
    // It has taken twice the limit by now, and is at it still.
    CHECK_FALSE(writer.done());
    got += test::read_to_end(server);
    CHECK(got == text);
    writer.wait();
}

TEST_CASE_FIXTURE(clean_net_end, "the reader's limit is not the writer's") {
    auto [client, server] = connect_pair();
    client.set_read_timeout(10ms);
    auto writer = spawn([&client = client] {
        const std::string flood(32'000'000, 'x');
        client.send_all(flood);
        client.close();
    });
    CHECK(code_of([&client = client] { read_some(client); }) == over);
    CHECK_FALSE(writer.done());
    CHECK(test::read_to_end(server).size() == 32'000'000);
    writer.wait();
}

TEST_CASE_FIXTURE(clean_net_end,
                  "a timeout scope around a read throws, and no byte is lost") {
    auto [client, server] = connect_pair();
    bool from_it = false;
    try {
        timeout limit(10ms);
        try {
            read_some(server);
        } catch (const timed_out& e) {
            from_it = e.from(limit);
        }
    } catch (...) {
        FAIL_CHECK("thrown out of its scope");
    }
    CHECK(from_it);
    client.send_all("after it");
    CHECK(read_some(server) == "after it");
}

TEST_CASE_FIXTURE(clean_net_end,
                  "whichever of scope and socket limit is shorter ends the read") {
    auto [client, server] = connect_pair();
    server.set_read_timeout(10ms);
    std::error_code ec;
    CHECK(timeout::silent(
        10s, [&, &server = server] { ec = code_of([&] { read_some(server); }); }));
    CHECK(ec == over);
    server.set_read_timeout(10s);
    CHECK_FALSE(timeout::silent(10ms, [&server = server] { read_some(server); }));
}

TEST_CASE_FIXTURE(clean_net_end,
                  "bytes and a limit that come together: either the one or the other") {
    // Nothing is lost, however the race ends.
    auto [client, server] = connect_pair();
    std::size_t sent = 0, got = 0, over_first = 0;
    server.set_read_timeout(300us);
    for (int i = 0; i < 200; ++i) {
        auto writer = spawn([&, &client = client] {
            tendril::sleep(std::chrono::microseconds(290 + i % 20));
            client.send_all("x");
            ++sent;
        });
        std::error_code ec;
        char buffer[8];
        got += server.recv(buffer, ec);
        if (ec == over) ++over_first;
        writer.wait();
    }
    client.close();
    server.set_read_timeout(forever);
    got += test::read_to_end(server).size();
    CHECK(got == sent);
    CHECK(over_first < 200);
}

TEST_CASE_FIXTURE(clean_net_end,
                  "impossible durations are misuse, and change nothing") {
    auto [client, server] = connect_pair();
    net::listener port = net::listen("127.0.0.1", 0);
    server.set_read_timeout(0s);
    using seconds = std::chrono::duration<double>;
    const double inf = std::numeric_limits<double>::infinity();
    const double nan = std::numeric_limits<double>::quiet_NaN();
    for (const seconds d :
         {seconds(-1), seconds(-1e-9), seconds(inf), seconds(-inf), seconds(nan)}) {
        CHECK(errc_of([&, &server = server] { server.set_read_timeout(d); }) ==
              errc::bad_argument);
        CHECK(errc_of([&, &server = server] { server.set_write_timeout(d); }) ==
              errc::bad_argument);
        CHECK(errc_of([&] { port.set_accept_timeout(d); }) == errc::bad_argument);
    }
    CHECK(code_of([&server = server] { read_some(server); }) == would_block);
    CHECK_NOTHROW(server.set_read_timeout(std::chrono::years(10'000)));
    CHECK_NOTHROW(server.set_read_timeout(forever));
}

TEST_SUITE_END();
