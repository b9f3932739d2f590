// A peer that breaks the connection off (RST), and one that has something urgent.
//
// SPDX-License-Identifier: BSL-1.0
#include <tendril/net/listener.hpp>
#include <tendril/net/socket.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>

#include <string>
#include <system_error>
#include <utility>

#include "../support/loopback.hpp"
#include <doctest/doctest.h>
#include <linux/net_tstamp.h>
#include <poll.h>
#include <sys/socket.h>

using namespace tendril;
using net::shutdown_mode;
using test::clean_net_end;
using test::code_of;
using test::connect_pair;
using test::read_some;
using test::read_to_end;
using test::send_urgent;

TEST_SUITE_BEGIN("net/reset");

namespace {

void let_it_park() {
    for (int i = 0; i < 3; ++i) yield();
}

struct ending {
    std::string bytes;
    std::error_code code;
};

// Reads until something is the matter.
fiber<ending> read_until_broken(net::socket& s, std::size_t most = 64) {
    return spawn([&s, most] {
        ending e;
        e.code = code_of([&] { e.bytes = read_some(s, most); });
        while (!e.code) {
            e.code = code_of([&] { e.bytes += read_some(s, most); });
        }
        return e;
    });
}

}  // namespace

TEST_CASE_FIXTURE(clean_net_end, "it wakes a reader with the error") {
    auto [client, server] = connect_pair();
    auto reader = read_until_broken(server);
    let_it_park();
    test::reset(client);
    CHECK(reader.wait().code == std::errc::connection_reset);
    CHECK(read_some(server).empty());
}

TEST_CASE_FIXTURE(clean_net_end,
                  "it comes with bytes, as one event: they are read, then it is told") {
    for (const std::size_t most : {1, 5, 64}) {
        auto [client, server] = connect_pair();
        auto reader = read_until_broken(server, most);
        let_it_park();
        client.send_all("bytes");
        test::reset(client);
        const ending e = reader.wait();
        CHECK(e.bytes == "bytes");
        CHECK(e.code == std::errc::connection_reset);
    }
}

TEST_CASE_FIXTURE(clean_net_end, "it comes before the first read") {
    auto [client, server] = connect_pair();
    client.send_all("bytes");
    test::reset(client);
    const ending e = read_until_broken(server).wait();
    CHECK(e.bytes == "bytes");
    CHECK(e.code == std::errc::connection_reset);
}

TEST_CASE_FIXTURE(clean_net_end, "it comes after a short read, before the next one") {
    auto [client, server] = connect_pair();
    client.send_all("bytes");
    CHECK(read_some(server) == "bytes");
    test::reset(client);
    CHECK(code_of([&server = server] { read_some(server); }) ==
          std::errc::connection_reset);
}

TEST_CASE_FIXTURE(clean_net_end, "it comes between the event and the read") {
    auto [first_client, first] = connect_pair();
    auto [second_client, second] = connect_pair();
    auto meddler = spawn([&first = first, &second_client = second_client] {
        read_some(first);
        test::reset(second_client);
    });
    auto reader = read_until_broken(second);
    let_it_park();
    first_client.send_all("now");
    second_client.send_all("seen");
    const ending e = reader.wait();
    CHECK(e.bytes == "seen");
    CHECK(e.code == std::errc::connection_reset);
    meddler.wait();
}

TEST_CASE_FIXTURE(clean_net_end, "it comes at any turn after the bytes") {
    for (int turns = 0; turns < 150; ++turns) {
        auto [client, server] = connect_pair();
        auto reader = read_until_broken(server);
        let_it_park();
        client.send_all("bytes");
        for (int i = 0; i < turns * turns / 2; ++i) yield();
        test::reset(client);
        const ending e = reader.wait();
        REQUIRE(e.bytes == "bytes");
        REQUIRE(e.code == std::errc::connection_reset);
    }
}

TEST_CASE_FIXTURE(
    clean_net_end,
    "it comes before the connection is accepted: its reader is told once") {
    net::listener port = net::listen("127.0.0.1", 0);
    auto acceptor = spawn([&] {
        net::socket one = port.accept();
        return std::pair{std::move(one), port.accept()};
    });
    yield();
    net::socket gone = net::connect(port.local_address());
    test::reset(gone);
    net::socket other = net::connect(port.local_address());
    auto [first, second] = std::move(acceptor).wait();
    CHECK(code_of([&first = first] { read_some(first); }) ==
          std::errc::connection_reset);
    CHECK(read_some(first).empty());
    other.send_all("untouched");
    CHECK(read_some(second) == "untouched");
}

TEST_CASE_FIXTURE(clean_net_end, "it wakes a writer with the error") {
    auto [client, server] = connect_pair();
    const std::string flood(32'000'000, 'x');
    auto writer = spawn(
        [&, &client = client] { return code_of([&] { client.send_all(flood); }); });
    let_it_park();
    test::reset(server);
    CHECK(writer.wait() == std::errc::connection_reset);
}

TEST_CASE_FIXTURE(clean_net_end,
                  "it wakes reader and writer of one socket, and one is told why") {
    auto [client, server] = connect_pair();
    const std::string flood(32'000'000, 'x');
    auto reader =
        spawn([&client = client] { return code_of([&] { read_to_end(client); }); });
    auto writer = spawn(
        [&, &client = client] { return code_of([&] { client.send_all(flood); }); });
    let_it_park();
    test::reset(server);
    // The system tells of a reset once; who comes next finds an end, or a broken pipe.
    const std::error_code of_reader = reader.wait();
    const std::error_code of_writer = writer.wait();
    if (of_reader == std::errc::connection_reset) {
        CHECK(of_writer == std::errc::broken_pipe);
    } else {
        CHECK(of_reader == std::error_code());
        CHECK(of_writer == std::errc::connection_reset);
    }
}

TEST_CASE_FIXTURE(
    clean_net_end,
    "a connection that is broken before it is accepted does not stop the port") {
    net::listener port = net::listen("127.0.0.1", 0);
    auto acceptor = spawn([&] {
        std::string got;
        while (got != "good") {
            net::socket s = port.accept();
            code_of([&] { got = read_some(s); });
        }
        return got;
    });
    let_it_park();
    net::socket bad = net::connect(port.local_address());
    test::reset(bad);
    net::socket good = net::connect(port.local_address());
    good.send_all("good");
    CHECK(acceptor.wait() == "good");
}

TEST_CASE_FIXTURE(clean_net_end,
                  "urgent data after a short read does not stop the stream") {
    auto [client, server] = connect_pair();
    auto reader = spawn([&server = server] { return read_to_end(server); });
    let_it_park();
    client.send_all("before,");
    let_it_park();
    send_urgent(client, '!');
    let_it_park();
    client.send_all("after");
    client.close();
    CHECK(reader.wait() == "before,after");
}

TEST_CASE_FIXTURE(clean_net_end, "bytes on both sides of urgent data, as one event") {
    // A read ends short at the mark, with more behind it and no event to come.
    for (const bool ends : {false, true}) {
        auto [client, server] = connect_pair();
        std::string got;
        auto reader = spawn([&, &server = server] {
            while (got.size() < 12) got += read_some(server);
        });
        let_it_park();
        client.send_all("before,");
        send_urgent(client, '!');
        client.send_all("after");
        if (ends) client.shutdown(shutdown_mode::write);
        reader.wait();
        CHECK(got == "before,after");
    }
}

TEST_CASE_FIXTURE(clean_net_end,
                  "urgent data and more between the event and the read") {
    auto [first_client, first] = connect_pair();
    auto [second_client, second] = connect_pair();
    auto meddler = spawn([&first = first, &second_client = second_client] {
        read_some(first);
        send_urgent(second_client, '!');
        second_client.send_all("after");
    });
    std::string got;
    auto reader = spawn([&, &second = second] {
        while (got.size() < 12) got += read_some(second);
    });
    let_it_park();
    first_client.send_all("now");
    second_client.send_all("before,");
    reader.wait();
    meddler.wait();
    CHECK(got == "before,after");
}

TEST_CASE_FIXTURE(clean_net_end, "urgent data before the first read") {
    auto [client, server] = connect_pair();
    send_urgent(client, '!');
    client.send_all("behind");
    CHECK(read_some(server) == "behind");
    client.close();
    CHECK(read_some(server).empty());
}

TEST_CASE_FIXTURE(clean_net_end, "urgent data at any turn") {
    for (int turns = 0; turns < 150; ++turns) {
        auto [client, server] = connect_pair();
        auto reader = spawn([&server = server] { return read_to_end(server); });
        let_it_park();
        client.send_all("before,");
        for (int i = 0; i < turns * turns / 2; ++i) yield();
        send_urgent(client, '!');
        client.send_all("after");
        client.close();
        REQUIRE(reader.wait() == "before,after");
    }
}

// It is an event, and an EPOLLERR that stays, but a read finds nothing.
TEST_CASE_FIXTURE(clean_net_end, "a message in the error queue disturbs no reader") {
    auto [client, server] = connect_pair();
    const int stamps = SOF_TIMESTAMPING_TX_SCHED | SOF_TIMESTAMPING_SOFTWARE |
                       SOF_TIMESTAMPING_OPT_TSONLY;
    REQUIRE(setsockopt(client.native_handle(), SOL_SOCKET, SO_TIMESTAMPING, &stamps,
                       sizeof stamps) == 0);
    auto reader = spawn([&client = client] { return read_some(client); });
    let_it_park();
    client.send_all("x");
    pollfd told{.fd = client.native_handle(), .events = 0, .revents = 0};
    while (told.revents != POLLERR) {
        yield();
        REQUIRE(poll(&told, 1, 0) >= 0);
    }
    // Comes with the next batch of events.
    auto [other_client, other_server] = connect_pair();
    auto other = spawn([&s = other_server] { return read_some(s); });
    yield();
    other_client.send_all("z");
    CHECK(other.wait() == "z");
    let_it_park();
    CHECK_FALSE(reader.done());
    server.send_all("y");
    CHECK(reader.wait() == "y");
}

TEST_SUITE_END();
