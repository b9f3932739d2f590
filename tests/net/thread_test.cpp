// Sockets and threads: whose a socket is, and what happens when that thread ends.
//
// SPDX-License-Identifier: BSL-1.0
#include <tendril/net/listener.hpp>
#include <tendril/net/socket.hpp>
#include <tendril/runtime/error.hpp>
#include <tendril/runtime/hub.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>

#include <atomic>
#include <latch>
#include <string>
#include <thread>
#include <utility>

#include "../support/errc_of.hpp"
#include "../support/loopback.hpp"
#include "../support/other_thread.hpp"
#include <doctest/doctest.h>

using namespace tendril;
using test::code_of;
using test::connect_pair;
using test::connection;
using test::drought;
using test::errc_of;
using test::read_some;

TEST_SUITE_BEGIN("net/threads");

namespace {

class clean_net_threads : test::made_driver, public test::clean_end_of_threads {};

// Has a fiber of this thread wait for `s`, so that it belongs to this thread.
void settle(net::socket& s, net::socket& peer) {
    auto reader = spawn([&s] { read_some(s); });
    yield();
    peer.send_all("x");
    reader.wait();
}

}  // namespace

TEST_CASE_FIXTURE(clean_net_threads,
                  "a socket that nobody has waited for is any thread's") {
    connection c = connect_pair();
    test::on_other_thread([&] {
        net::socket mine = std::move(c.server);
        mine.send_all("from there");
    });
    CHECK(read_some(c.client) == "from there");
    CHECK(read_some(c.client).empty());
}

TEST_CASE_FIXTURE(clean_net_threads,
                  "once a fiber has waited for it, other threads are refused, before "
                  "they do anything") {
    connection c = connect_pair();
    settle(c.server, c.client);
    c.client.send_all("not for other threads");
    test::on_other_thread([&] {
        char buffer[8];
        CHECK(errc_of([&] { c.server.recv(buffer); }) == errc::wrong_thread);
        CHECK(errc_of([&] { c.server.send("x"); }) == errc::wrong_thread);
        CHECK(errc_of([&] { c.server.close(); }) == errc::wrong_thread);
        CHECK(errc_of([&] { c.server.release(); }) == errc::wrong_thread);
    });
    CHECK(read_some(c.server) == "not for other threads");

    net::listener port = net::listen("127.0.0.1", 0);
    auto acceptor = spawn([&] { return port.accept().is_open(); });
    yield();
    const net::socket client = net::connect(port.local_address());
    CHECK(acceptor.wait());
    test::on_other_thread([&] {
        CHECK(errc_of([&] { port.accept(); }) == errc::wrong_thread);
        CHECK(errc_of([&] { port.close(); }) == errc::wrong_thread);
    });
}

TEST_CASE_FIXTURE(clean_net_threads,
                  "when its thread has ended it can be used by another") {
    connection c;
    test::on_other_thread([&] {
        c = connect_pair();
        settle(c.server, c.client);
    });
    auto reader = spawn([&] { return read_some(c.server); });
    yield();
    c.client.send_all("new home");
    CHECK(reader.wait() == "new home");
}

TEST_CASE_FIXTURE(
    clean_net_threads,
    "when its thread has ended it can be closed, released and destroyed by another") {
    connection closed, released, destroyed;
    test::on_other_thread([&] {
        for (connection* c : {&closed, &released, &destroyed}) {
            *c = connect_pair();
            settle(c->server, c->client);
        }
    });
    closed.server.close();
    ::close(released.server.release());
    destroyed.server = net::socket();
    for (connection* c : {&closed, &released, &destroyed}) {
        CHECK(read_some(c->client).empty());
    }
}

TEST_CASE_FIXTURE(
    clean_net_threads,
    "destroyed on another thread it is closed on its own, who waits is woken") {
    connection c = connect_pair();
    settle(c.server, c.client);
    auto reader = spawn([&] { return code_of([&] { read_some(c.server); }); });
    yield();
    test::on_other_thread([&] { c.server = net::socket(); });
    CHECK(reader.wait() == std::errc::bad_file_descriptor);
    CHECK(read_some(c.client).empty());
}

TEST_CASE_FIXTURE(
    clean_net_threads,
    "destroyed while its thread is ending it is closed by one of the two") {
    for (int i = 0; i < 300; ++i) {
        connection c;
        std::latch handed_over(1);
        std::thread owner([&] {
            connection mine = connect_pair();
            settle(mine.server, mine.client);
            c = std::move(mine);
            handed_over.count_down();
        });
        handed_over.wait();
        // Anywhere from before the thread's end to after it.
        for (int pause = 0; pause < i % 30; ++pause) std::this_thread::yield();
        c.server = net::socket();
        owner.join();
        REQUIRE(read_some(c.client).empty());
    }
}

TEST_CASE_FIXTURE(
    clean_net_threads,
    "a thread that ends unwinds the fibers that wait, and closes what they own") {
    connection c;
    test::on_other_thread([&] {
        c = connect_pair();
        settle(c.server, c.client);
        spawn_n([s = std::move(c.server)]() mutable { read_some(s); });
        yield();
    });
    CHECK(read_some(c.client).empty());
}

TEST_CASE_FIXTURE(
    clean_net_threads,
    "without descriptors for a first wait it is a typed error, in both forms" *
        doctest::skip(test::sanitized)) {
    connection c = connect_pair();
    test::on_other_thread([&] {
        hub::current();
        const drought dry;
        CHECK(code_of([&] { read_some(c.server); }) == std::errc::too_many_files_open);
        std::error_code ec;
        char buffer[8];
        c.server.recv(buffer, ec);
        CHECK(ec == std::errc::too_many_files_open);
    });
    c.client.send_all("no harm done");
    CHECK(read_some(c.server) == "no harm done");
}

TEST_SUITE_END();
