// The end of the stream in every position: before, between and after the bytes, the
// events that tell of them, and the reads. A reader that misses it waits for ever.
//
// SPDX-License-Identifier: BSL-1.0
#include <tendril/net/socket.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>

#include <functional>
#include <string>
#include <vector>

#include "../support/loopback.hpp"
#include <doctest/doctest.h>

using namespace tendril;
using net::shutdown_mode;
using test::clean_net_end;
using test::code_of;
using test::connect_pair;
using test::pattern;
using test::read_some;
using test::read_to_end;

TEST_SUITE_BEGIN("net/end of stream");

namespace {

// Everything that one fiber reads from `s`, by reads of up to `most` bytes.
fiber<std::string> read_all(net::socket& s, std::size_t most = 64) {
    return spawn([&s, most] { return read_to_end(s, most); });
}

void let_it_park() {
    for (int i = 0; i < 3; ++i) yield();
}

}  // namespace

TEST_CASE_FIXTURE(clean_net_end, "it comes before the first read, alone") {
    auto [client, server] = connect_pair();
    client.shutdown(shutdown_mode::write);
    CHECK(read_some(server).empty());
}

TEST_CASE_FIXTURE(clean_net_end, "it comes before the first read, behind bytes") {
    auto [client, server] = connect_pair();
    client.send_all("all there is");
    client.shutdown(shutdown_mode::write);
    CHECK(read_some(server) == "all there is");
    CHECK(read_some(server).empty());
}

TEST_CASE_FIXTURE(clean_net_end, "it comes alone, to a reader that waits") {
    auto [client, server] = connect_pair();
    auto reader = read_all(server);
    let_it_park();
    client.shutdown(shutdown_mode::write);
    CHECK(reader.wait().empty());
}

TEST_CASE_FIXTURE(clean_net_end, "it comes with the bytes, as one event") {
    auto [client, server] = connect_pair();
    auto reader = read_all(server);
    let_it_park();
    client.send_all("both at once");
    client.shutdown(shutdown_mode::write);
    CHECK(reader.wait() == "both at once");
}

TEST_CASE_FIXTURE(clean_net_end,
                  "it comes with the bytes to a reader that has read before") {
    auto [client, server] = connect_pair();
    auto reader = read_all(server);
    for (int i = 0; i < 5; ++i) {
        let_it_park();
        client.send_all("again,");
    }
    let_it_park();
    client.send_all("and the end");
    client.shutdown(shutdown_mode::write);
    CHECK(reader.wait() == "again,again,again,again,again,and the end");
}

TEST_CASE_FIXTURE(clean_net_end, "it comes between the event and the read") {
    // Two sockets have their events in one batch; the fiber of the first ends the
    // stream of the second before that one's fiber has read.
    auto [first_client, first] = connect_pair();
    auto [second_client, second] = connect_pair();
    auto meddler = spawn([&first = first, &second_client = second_client] {
        read_some(first);
        second_client.shutdown(shutdown_mode::write);
    });
    auto reader = read_all(second);
    let_it_park();
    first_client.send_all("now");
    second_client.send_all("seen, not read");
    CHECK(reader.wait() == "seen, not read");
    meddler.wait();
}

TEST_CASE_FIXTURE(clean_net_end,
                  "more bytes and it come between the event and the read") {
    auto [first_client, first] = connect_pair();
    auto [second_client, second] = connect_pair();
    auto meddler = spawn([&first = first, &second_client = second_client] {
        read_some(first);
        second_client.send_all(", and more");
        second_client.shutdown(shutdown_mode::write);
    });
    auto reader = read_all(second);
    let_it_park();
    first_client.send_all("now");
    second_client.send_all("seen");
    CHECK(reader.wait() == "seen, and more");
    meddler.wait();
}

TEST_CASE_FIXTURE(clean_net_end, "it comes after a short read, before the next one") {
    auto [client, server] = connect_pair();
    client.send_all("short");
    CHECK(read_some(server) == "short");
    client.shutdown(shutdown_mode::write);
    CHECK(read_some(server).empty());
}

TEST_CASE_FIXTURE(clean_net_end,
                  "it comes after a short read by one who was woken for it") {
    auto [client, server] = connect_pair();
    std::string got = "nothing";
    auto reader = spawn([&, &client = client, &server = server] {
        got = read_some(server);
        client.shutdown(shutdown_mode::write);
        got += read_some(server);
    });
    let_it_park();
    client.send_all("short");
    reader.wait();
    CHECK(got == "short");
}

TEST_CASE_FIXTURE(clean_net_end,
                  "bytes and it come after a short read, before the next one") {
    auto [client, server] = connect_pair();
    std::string got;
    auto reader = spawn([&, &client = client, &server = server] {
        got = read_some(server);
        client.send_all(",rest");
        client.shutdown(shutdown_mode::write);
        got += read_to_end(server);
    });
    let_it_park();
    client.send_all("short");
    reader.wait();
    CHECK(got == "short,rest");
}

TEST_CASE_FIXTURE(clean_net_end, "it comes when a short read has parked again") {
    auto [client, server] = connect_pair();
    auto reader = read_all(server);
    let_it_park();
    client.send_all("short");
    let_it_park();
    client.shutdown(shutdown_mode::write);
    CHECK(reader.wait() == "short");
}

TEST_CASE_FIXTURE(clean_net_end,
                  "it comes after reads that fill their buffers exactly") {
    for (const std::size_t most : {1, 3, 6, 12}) {
        auto [client, server] = connect_pair();
        auto reader = read_all(server, most);
        let_it_park();
        client.send_all("twelve bytes");
        client.shutdown(shutdown_mode::write);
        CHECK(reader.wait() == "twelve bytes");
    }
}

TEST_CASE_FIXTURE(clean_net_end, "it comes at any turn after the bytes") {
    // Wherever the reader is by then: parked, ready, reading, parked again.
    for (int turns = 0; turns < 150; ++turns) {
        auto [client, server] = connect_pair();
        auto reader = read_all(server);
        let_it_park();
        client.send_all("bytes");
        for (int i = 0; i < turns * turns / 2; ++i) yield();
        client.shutdown(shutdown_mode::write);
        REQUIRE(reader.wait() == "bytes");
    }
}

TEST_CASE_FIXTURE(clean_net_end,
                  "it stays where it is, and can be read again and again") {
    auto [client, server] = connect_pair();
    client.send_all("x");
    client.close();
    CHECK(read_some(server) == "x");
    for (int i = 0; i < 100; ++i) REQUIRE(read_some(server).empty());
}

TEST_CASE_FIXTURE(clean_net_end, "after it the other way stays open") {
    auto [client, server] = connect_pair();
    const std::string answer = pattern(1'000'000);
    auto asked = spawn([&, &server = server] {
        const std::string question = read_to_end(server);
        server.send_all(answer);
        server.shutdown(shutdown_mode::write);
        return question;
    });
    client.send_all("question");
    client.shutdown(shutdown_mode::write);
    CHECK(read_to_end(client) == answer);
    CHECK(asked.wait() == "question");
}

TEST_CASE_FIXTURE(clean_net_end, "both ends send theirs at the same time") {
    auto [client, server] = connect_pair();
    auto one = read_all(client);
    auto other = read_all(server);
    let_it_park();
    client.send_all("from the client");
    server.send_all("from the server");
    client.shutdown(shutdown_mode::write);
    server.shutdown(shutdown_mode::write);
    CHECK(one.wait() == "from the server");
    CHECK(other.wait() == "from the client");
}

TEST_CASE_FIXTURE(clean_net_end, "sending after one's own is an error") {
    auto [client, server] = connect_pair();
    client.shutdown(shutdown_mode::write);
    CHECK(code_of([&client = client] { client.send("x"); }) == std::errc::broken_pipe);
    client.close();
    CHECK(read_some(server).empty());
}

TEST_CASE_FIXTURE(clean_net_end,
                  "shutting down one's own reading wakes the reader with it") {
    auto [client, server] = connect_pair();
    auto reader = read_all(server);
    let_it_park();
    server.shutdown(shutdown_mode::read);
    CHECK(reader.wait().empty());
    server.send_all("still sends");
    CHECK(read_some(client) == "still sends");
}

TEST_CASE_FIXTURE(clean_net_end, "shutting down both ways wakes reader and writer") {
    auto [client, server] = connect_pair();
    auto reader = read_all(client);
    const std::string flood(32'000'000, 'x');
    auto writer = spawn(
        [&, &client = client] { return code_of([&] { client.send_all(flood); }); });
    let_it_park();
    client.shutdown();
    CHECK(reader.wait().empty());
    CHECK(writer.wait() == std::errc::broken_pipe);
}

TEST_CASE_FIXTURE(clean_net_end,
                  "shutting down what the peer has left already is no error") {
    auto [client, server] = connect_pair();
    test::reset(client);
    CHECK(code_of([&server = server] { read_some(server); }) ==
          std::errc::connection_reset);
    for (const auto how :
         {shutdown_mode::read, shutdown_mode::write, shutdown_mode::both}) {
        CHECK_FALSE(code_of([&, &server = server] { server.shutdown(how); }));
    }
}

TEST_SUITE_END();
