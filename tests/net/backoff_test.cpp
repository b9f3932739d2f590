// Accepting when the process has run out of descriptors.
//
// SPDX-License-Identifier: BSL-1.0
#include <tendril/net/listener.hpp>
#include <tendril/net/socket.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>
#include <tendril/test/virtual_time.hpp>

#include <chrono>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "../support/errc_of.hpp"
#include "../support/loopback.hpp"
#include <doctest/doctest.h>
#include <time.h>

using namespace std::chrono_literals;
using namespace tendril;
using test::clean_net_end;
using test::code_of;
using test::connect_pair;
using test::drought;
using test::errc_of;
using test::read_some;
using test::virtual_time;

TEST_SUITE_BEGIN("net/back-off");

namespace {

// Of this thread.
duration processor_time() {
    timespec used{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    return std::chrono::seconds(used.tv_sec) + std::chrono::nanoseconds(used.tv_nsec);
}

}  // namespace

TEST_CASE_FIXTURE(clean_net_end,
                  "it is tried again after 10 ms, 20 ms, and so on up to a second") {
    virtual_time time;
    net::listener port = net::listen("127.0.0.1", 0);
    const net::socket client = net::connect(port.local_address());
    drought dry;
    auto acceptor = spawn([&] { return port.accept().peer_address(); });
    std::size_t tries = 1;
    duration next = time.passed();
    const duration begin = next;
    for (const duration pause :
         {10ms, 20ms, 40ms, 80ms, 160ms, 320ms, 640ms, 1000ms, 1000ms, 1000ms}) {
        next += pause;
        tendril::sleep(next - time.passed() - 1ns);
        CHECK(port.backoffs() == tries);
        tendril::sleep(1ns);
        yield();
        CHECK(port.backoffs() == ++tries);
    }
    dry.end();
    CHECK(acceptor.wait() == client.local_address());
    CHECK(time.passed() - begin == 1270ms + 3 * 1s + 1s);
    CHECK(port.backoffs() == tries);
}

TEST_CASE_FIXTURE(clean_net_end, "after a success it begins at 10 ms again") {
    virtual_time time;
    net::listener port = net::listen("127.0.0.1", 0);
    const net::socket one = net::connect(port.local_address());
    const net::socket two = net::connect(port.local_address());
    for (const net::socket* client : {&one, &two}) {
        drought dry;
        const duration begin = time.passed();
        auto acceptor = spawn([&] { return port.accept().peer_address(); });
        tendril::sleep(15ms);
        dry.end();
        CHECK(acceptor.wait() == client->local_address());
        CHECK(time.passed() - begin == 30ms);
    }
    CHECK(port.backoffs() == 4);
}

TEST_CASE_FIXTURE(clean_net_end, "the processor rests meanwhile") {
    net::listener port = net::listen("127.0.0.1", 0);
    const net::socket newcomer = net::connect(port.local_address());
    drought dry;
    auto acceptor = spawn([&] { return port.accept().peer_address(); });
    yield();
    REQUIRE(port.backoffs() == 1);
    // In real time: 100 ms, of which a hub that tries all the time would use most.
    const duration before = processor_time();
    tendril::sleep(100ms);
    CHECK(processor_time() - before < 20ms);
    CHECK_FALSE(acceptor.done());
    dry.end();
    CHECK(acceptor.wait() == newcomer.local_address());
}

TEST_CASE_FIXTURE(clean_net_end,
                  "open connections are served meanwhile, and it is not tried sooner") {
    auto [client, server] = connect_pair();
    net::listener port = net::listen("127.0.0.1", 0);
    const net::socket newcomer = net::connect(port.local_address());
    drought dry;
    auto acceptor = spawn([&] { return port.accept().peer_address(); });
    const auto begin = clock::now();
    auto echo = spawn([&server = server] {
        for (std::string s; !(s = read_some(server)).empty();) server.send_all(s);
    });
    for (int rounds = 0; rounds < 1000; ++rounds) {
        client.send_all("ping");
        REQUIRE(read_some(client) == "ping");
    }
    // All pauses but the last are over: 10, 20, 40 ms, ...
    REQUIRE(port.backoffs() >= 1);
    CHECK(10ms * ((1 << (port.backoffs() - 1)) - 1) <= clock::now() - begin);
    dry.end();
    CHECK(acceptor.wait() == newcomer.local_address());
    client.close();
    echo.wait();
}

TEST_CASE_FIXTURE(clean_net_end,
                  "connections that come meanwhile do not wake it early") {
    virtual_time time;
    net::listener port = net::listen("127.0.0.1", 0);
    std::vector<net::socket> clients;
    for (int i = 0; i < 3; ++i) clients.push_back(net::connect(port.local_address()));
    drought dry;
    auto acceptor = spawn([&] { port.accept(); });
    for (int i = 0; i < 100; ++i) yield();
    CHECK(port.backoffs() == 1);
    CHECK_FALSE(acceptor.done());
    acceptor.kill();
}

TEST_CASE_FIXTURE(clean_net_end, "the port is its thread's meanwhile") {
    virtual_time time;
    net::listener port = net::listen("127.0.0.1", 0);
    const net::socket client = net::connect(port.local_address());
    drought dry;
    auto acceptor = spawn([&] { port.accept(); });
    yield();
    REQUIRE(port.backoffs() == 1);
    std::optional<errc> code;
    dry.end();
    std::thread([&] { code = errc_of([&] { port.close(); }); }).join();
    CHECK(code == errc::wrong_thread);
    CHECK(port.is_open());
    acceptor.wait();
    std::thread([&] { port.close(); }).join();
    CHECK_FALSE(port.is_open());
}

TEST_CASE_FIXTURE(clean_net_end, "closing the port, or a kill, ends it at once") {
    virtual_time time;
    for (const bool by_close : {true, false}) {
        net::listener port = net::listen("127.0.0.1", 0);
        const net::socket client = net::connect(port.local_address());
        drought dry;
        auto acceptor = spawn([&] {
            std::error_code ec;
            port.accept(ec);
            return ec;
        });
        yield();
        REQUIRE(port.backoffs() == 1);
        const duration begin = time.passed();
        if (by_close) {
            port.close();
        } else {
            acceptor.kill();
        }
        acceptor.join();
        CHECK(time.passed() == begin);
        dry.end();
        if (by_close) {
            CHECK(acceptor.wait() == std::errc::bad_file_descriptor);
        } else {
            CHECK_THROWS_AS(acceptor.wait(), greenlet_exit);
        }
    }
}

TEST_CASE_FIXTURE(clean_net_end, "the accept limit counts on, and ends it in time") {
    virtual_time time;
    net::listener port = net::listen("127.0.0.1", 0);
    const net::socket client = net::connect(port.local_address());
    port.set_accept_timeout(25ms);
    drought dry;
    const duration begin = time.passed();
    std::error_code ec;
    port.accept(ec);
    CHECK(time.passed() - begin == 25ms);
    dry.end();
    CHECK(ec == std::errc::timed_out);
    CHECK(port.backoffs() == 2);
}

TEST_CASE_FIXTURE(clean_net_end,
                  "with no time at all it is not tried again, and the reason is told") {
    virtual_time time;
    net::listener port = net::listen("127.0.0.1", 0);
    const net::socket client = net::connect(port.local_address());
    port.set_accept_timeout(0s);
    drought dry;
    std::error_code ec;
    port.accept(ec);
    dry.end();
    CHECK(ec == std::errc::too_many_files_open);
    CHECK(port.backoffs() == 0);
}

TEST_CASE_FIXTURE(clean_net_end,
                  "connect and listen tell of it at once" *
                      doctest::skip(test::sanitized)) {
    net::listener port = net::listen("127.0.0.1", 0);
    const drought dry;
    CHECK(code_of([&] { net::connect(port.local_address()); }) ==
          std::errc::too_many_files_open);
    CHECK(code_of([] { net::listen("127.0.0.1", 0); }) ==
          std::errc::too_many_files_open);
}

TEST_SUITE_END();
