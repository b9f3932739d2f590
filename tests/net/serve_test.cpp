// SPDX-License-Identifier: BSL-1.0
#include <tendril/net/serve.hpp>
#include <tendril/runtime/error.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>
#include <tendril/sync/event.hpp>

#include <chrono>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include "../support/errc_of.hpp"
#include "../support/loopback.hpp"
#include <doctest/doctest.h>

using namespace std::chrono_literals;
using namespace tendril;
using test::clean_net_end;
using test::code_of;
using test::errc_of;
using test::read_some;
using test::read_to_end;

TEST_SUITE_BEGIN("net/serve");

namespace {

// A serve() in a fiber of its own, and where to reach it.
struct service {
    net::address at;
    fiber<> task;

    net::socket dial() const { return net::connect(at); }

    void stop() const {
        task.kill(net::stop_serve{});
        task.wait();
    }
};

service serve(std::function<void(net::socket)> handler,
              std::size_t concurrency = 1000) {
    net::listener port = net::listen("127.0.0.1", 0);
    service s;
    s.at = port.local_address();
    s.task = spawn([port = std::move(port), handler, concurrency]() mutable {
        net::serve(std::move(port), handler, concurrency);
    });
    return s;
}

// Ends a conversation, and waits until its handler has ended too.
void finish(net::socket& client) {
    client.shutdown(net::shutdown_mode::write);
    CHECK(read_to_end(client).empty());
}

// A connection that somebody may accept, without waiting for it.
net::socket knock(const net::address& at) {
    const int fd = ::socket(at.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    ::connect(fd, at.data(), at.size());
    return net::socket(fd);
}

void echo(net::socket s) {
    for (std::string part; !(part = s.recv(64)).empty();) s.send_all(part);
}

}  // namespace

TEST_CASE_FIXTURE(clean_net_end, "a handler that returns closes its connection") {
    const service s = serve([](net::socket client) { client.send_all("bye"); });
    net::socket client = s.dial();
    CHECK(read_to_end(client) == "bye");
    s.stop();
}

TEST_CASE_FIXTURE(clean_net_end, "a hundred clients are a hundred calls") {
    std::size_t calls = 0;
    const service s = serve([&](net::socket client) {
        ++calls;
        echo(std::move(client));
    });
    std::vector<net::socket> clients;
    for (int i = 0; i < 100; ++i) {
        clients.push_back(s.dial());
        clients.back().send_all(std::to_string(i));
    }
    for (int i = 0; i < 100; ++i) REQUIRE(read_some(clients[i]) == std::to_string(i));
    CHECK(calls == 100);
    for (net::socket& c : clients) finish(c);
    s.stop();
    CHECK(calls == 100);
}

TEST_CASE_FIXTURE(clean_net_end,
                  "a handler that throws ends serve, which throws it on, and its "
                  "client reads the end") {
    const service s = serve([](net::socket client) {
        client.recv(1);
        throw std::runtime_error("from the handler");
    });
    net::socket client = s.dial();
    client.send_all("x");
    CHECK(read_some(client).empty());
    std::string text;
    try {
        s.task.wait();
    } catch (const std::runtime_error& e) {
        text = e.what();
    }
    CHECK(text == "from the handler");
    CHECK(code_of([&] { s.dial(); }) == std::errc::connection_refused);
}

TEST_CASE_FIXTURE(clean_net_end,
                  "so does one that throws when its client has gone first") {
    const service s = serve([](net::socket client) {
        read_to_end(client);
        throw std::runtime_error("too late");
    });
    s.dial().close();
    CHECK_THROWS_AS(s.task.wait(), std::runtime_error);
}

TEST_CASE_FIXTURE(clean_net_end,
                  "with a concurrency of five the sixth is served when one has ended") {
    const service s = serve(echo, 5);
    std::vector<net::socket> clients;
    for (int i = 0; i < 6; ++i) {
        clients.push_back(s.dial());
        clients.back().send_all("hello");
    }
    for (int i = 0; i < 5; ++i) REQUIRE(read_some(clients[i]) == "hello");
    clients[5].set_read_timeout(10ms);
    CHECK(code_of([&] { read_some(clients[5]); }) == std::errc::timed_out);
    clients[5].set_read_timeout(forever);
    finish(clients[2]);
    CHECK(read_some(clients[5]) == "hello");
    for (const std::size_t i : {0, 1, 3, 4, 5}) finish(clients[i]);
    s.stop();
}

TEST_CASE_FIXTURE(clean_net_end,
                  "a concurrency of one is one after another, never two at once") {
    int running = 0, most = 0, calls = 0;
    const service s = serve(
        [&](net::socket client) {
            ++calls;
            most = std::max(most, ++running);
            yield();
            client.send_all("done");
            --running;
        },
        1);
    std::vector<net::socket> clients;
    for (int i = 0; i < 20; ++i) clients.push_back(s.dial());
    for (net::socket& c : clients) REQUIRE(read_to_end(c) == "done");
    CHECK(calls == 20);
    CHECK(most == 1);
    s.stop();
}

TEST_CASE_FIXTURE(clean_net_end, "no limit at all can be asked for") {
    const service s = serve(echo, std::numeric_limits<std::size_t>::max());
    net::socket client = s.dial();
    client.send_all("x");
    CHECK(read_some(client) == "x");
    finish(client);
    s.stop();
}

TEST_CASE_FIXTURE(clean_net_end, "stop_serve from a handler ends it quietly") {
    const service s = serve([](net::socket client) {
        if (read_some(client) == "stop") throw net::stop_serve{};
    });
    net::socket client = s.dial();
    client.send_all("stop");
    CHECK_NOTHROW(s.task.wait());
    CHECK(read_some(client).empty());
    CHECK(code_of([&] { s.dial(); }) == std::errc::connection_refused);
}

TEST_CASE_FIXTURE(clean_net_end,
                  "handlers go on to their own end after serve has ended") {
    for (const bool by_kill : {true, false}) {
        const service s = serve([](net::socket client) {
            const std::string first = read_some(client);
            if (first == "stop") throw net::stop_serve{};
            client.send_all(first);
            echo(std::move(client));
        });
        net::socket client = s.dial();
        client.send_all("before");
        CHECK(read_some(client) == "before");
        if (by_kill) {
            s.stop();
        } else {
            s.dial().send_all("stop");
            s.task.wait();
        }
        client.send_all("after");
        CHECK(read_some(client) == "after");
        finish(client);
    }
}

TEST_CASE_FIXTURE(clean_net_end,
                  "killing serve kills no handler, and closes the port") {
    const service s = serve(echo);
    net::socket client = s.dial();
    client.send_all("a");
    CHECK(read_some(client) == "a");
    s.task.kill();
    CHECK_THROWS_AS(s.task.wait(), greenlet_exit);
    CHECK(code_of([&] { s.dial(); }) == std::errc::connection_refused);
    client.send_all("b");
    CHECK(read_some(client) == "b");
    finish(client);
}

TEST_CASE_FIXTURE(clean_net_end,
                  "a handler that throws when serve is over is reported") {
    const service s = serve([](net::socket client) {
        client.send_all(read_some(client));
        read_some(client);
        throw std::runtime_error("nobody serves any more");
    });
    net::socket client = s.dial();
    client.send_all("a");
    CHECK(read_some(client) == "a");
    s.stop();
    client.send_all("b");
    CHECK(read_some(client).empty());
    REQUIRE(reported.size() == 1);
    CHECK(reported[0].find("nobody serves any more") != std::string::npos);
    reported.clear();
}

TEST_CASE_FIXTURE(clean_net_end, "greenlet_exit in a handler ends that one only") {
    const service s = serve([](net::socket client) {
        if (read_some(client) == "exit") throw greenlet_exit{};
        client.send_all("served");
    });
    net::socket leaves = s.dial();
    leaves.send_all("exit");
    CHECK(read_some(leaves).empty());
    net::socket stays = s.dial();
    stays.send_all("hello");
    CHECK(read_some(stays) == "served");
    s.stop();
}

TEST_CASE_FIXTURE(
    clean_net_end,
    "of handlers that throw at once one ends serve, the others are reported") {
    // Serve itself has been woken by the same batch, and has not run yet.
    net::listener port = net::listen("127.0.0.1", 0);
    const net::address at = port.local_address();
    int caught = 0;
    auto task = spawn([&] {
        try {
            net::serve(std::move(port), [](net::socket client) {
                throw std::runtime_error(read_some(client));
            });
        } catch (const std::runtime_error&) {
            ++caught;
        }
        // Nothing more comes after it.
        for (int i = 0; i < 10; ++i) yield();
    });
    std::vector<net::socket> clients;
    for (int i = 0; i < 20; ++i) clients.push_back(net::connect(at));
    for (int i = 0; i < 500; ++i) yield();
    for (net::socket& c : clients) c.send_all("x");
    const net::socket last = knock(at);
    CHECK_NOTHROW(task.wait());
    CHECK(caught == 1);
    for (net::socket& c : clients) CHECK(read_some(c).empty());
    CHECK(reported.size() == clients.size() - 1);
    reported.clear();
}

TEST_CASE_FIXTURE(clean_net_end, "a stop is not held up by clients that wait in line") {
    net::listener port = net::listen("127.0.0.1", 0);
    std::vector<net::socket> clients;
    for (int i = 0; i < 300; ++i) clients.push_back(net::connect(port.local_address()));
    int calls = 0;
    net::serve(std::move(port), [&](net::socket) {
        if (++calls == 1) throw net::stop_serve{};
    });
    for (int i = 0; i < 3; ++i) yield();
    CHECK(calls < 300);
}

TEST_CASE_FIXTURE(clean_net_end,
                  "no handler, no concurrency, and the hub's own stack are misuse") {
    CHECK(errc_of([] { net::serve(net::listen("127.0.0.1", 0), nullptr); }) ==
          errc::bad_argument);
    CHECK(errc_of([] { net::serve(net::listen("127.0.0.1", 0), echo, 0); }) ==
          errc::bad_argument);
    CHECK(code_of([] { net::serve(net::listener(), echo); }) ==
          std::errc::bad_file_descriptor);
    std::optional<errc> said;
    hub::current().call_soon(
        [&] { said = errc_of([] { net::serve(net::listen("127.0.0.1", 0), echo); }); });
    yield();
    yield();
    CHECK(said == errc::in_hub);
}

TEST_SUITE_END();
