// everywhere_net_test.cpp - the calls of net, ended at every moment.
//
// SPDX-License-Identifier: BSL-1.0
#include <tendril/net/listener.hpp>
#include <tendril/net/serve.hpp>
#include <tendril/net/socket.hpp>
#include <tendril/runtime/cancel.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <functional>
#include <string>
#include <system_error>
#include <utility>

#include "../support/loopback.hpp"
#include "everywhere.hpp"
#include <doctest/doctest.h>

using namespace std::chrono_literals;
using namespace tendril;
using test::clean_net_end;
using test::companion;
using test::connect_pair;
using test::holds_everywhere;

TEST_SUITE_BEGIN("kit/everywhere net");

namespace {

// Handlers end some time after their clients have gone.
struct running_handlers {
    int handlers = 0;

    ~running_handlers() {
        const uninterrupted here;
        while (handlers > 0) yield();
    }
};

}  // namespace

TEST_CASE_FIXTURE(clean_net_end, "recv that has to wait, in all its forms") {
    holds_everywhere(2, [] {
        auto [client, server] = connect_pair();
        const companion sender([&, &client = client] {
            for (;;) {
                client.send_all("message");
                yield();
            }
        });
        std::array<char, 64> buffer{};
        server.recv(buffer);
        if (server.recv(64).empty()) throw 1;
        server.set_read_timeout(10s);
        server.recv(buffer);
    });
}

TEST_CASE_FIXTURE(clean_net_end, "send_all to a slow reader") {
    const std::string large(8'000'000, 'x');
    holds_everywhere(1, [&] {
        auto [client, server] = connect_pair();
        std::size_t got = 0;
        const companion reader([&, &server = server] {
            std::string buffer(1'000'000, '\0');
            for (;;) {
                got += server.recv(buffer);
                yield();
            }
        });
        client.send_all(large);
    });
}

TEST_CASE_FIXTURE(clean_net_end, "send, and the forms with an error_code") {
    using call = std::function<void(net::socket&, std::error_code&)>;
    const std::string text(100, 'x');
    const call calls[] = {
        [&](net::socket& s, std::error_code&) { s.send(text); },
        [&](net::socket& s, std::error_code& ec) { s.send(text, ec); },
        [&](net::socket& s, std::error_code& ec) { s.send_all(text, ec); },
        [](net::socket& s, std::error_code& ec) {
            std::array<char, 64> buffer{};
            if (s.recv(buffer, ec) != 4) throw 1;
        },
    };
    for (const call& may_wait : calls) {
        holds_everywhere(1, [&] {
            auto [client, server] = connect_pair();
            const std::size_t before = test::stuff(client);
            const companion peer([&, &server = server] {
                for (int i = 0; i < 3; ++i) yield();
                server.send_all("pong");
                std::string buffer(before / 2, '\0');
                while (server.recv(buffer) > 0) yield();
            });
            std::error_code ec;
            may_wait(client, ec);
            if (ec) throw std::system_error(ec);
        });
    }
}

TEST_CASE_FIXTURE(clean_net_end, "accept and connect with an error_code") {
    holds_everywhere(1, [] {
        net::listener port = net::listen("127.0.0.1", 0);
        const companion dialler([&] {
            for (;;) {
                const net::socket s = net::connect(port.local_address());
                yield();
            }
        });
        std::error_code ec;
        const net::socket taken = port.accept(ec);
        if (ec) throw std::system_error(ec);
        const net::socket made = net::connect(port.local_address(), 10s, ec);
        if (ec) throw std::system_error(ec);
    });
}

TEST_CASE_FIXTURE(clean_net_end, "accept and connect") {
    holds_everywhere(1, [] {
        net::listener port = net::listen("127.0.0.1", 0);
        const companion dialler([&] {
            for (;;) {
                const net::socket s = net::connect(port.local_address());
                yield();
            }
        });
        port.accept();
        port.set_accept_timeout(10s);
        port.accept();
        net::connect(port.local_address(), 1s);
    });
}

TEST_CASE_FIXTURE(clean_net_end, "serve, with its connections") {
    holds_everywhere(2, [] {
        net::listener port = net::listen("127.0.0.1", 0);
        const net::address there = port.local_address();
        running_handlers running;
        const companion server([&] {
            net::serve(std::move(port), [&](net::socket s) {
                ++running.handlers;
                std::error_code ec;
                std::array<char, 64> buffer{};
                while (s.recv(buffer, ec) > 0) s.send_all("pong", ec);
                --running.handlers;
            });
        });
        net::socket client = net::connect(there);
        for (int i = 0; i < 2; ++i) {
            client.send_all("ping");
            if (client.recv(64) != "pong") throw 1;
        }
    });
}

TEST_CASE_FIXTURE(clean_net_end, "serve, whose own fiber is ended") {
    holds_everywhere(2, [] {
        net::listener port = net::listen("127.0.0.1", 0);
        const net::address there = port.local_address();
        const any_fiber me = current();
        running_handlers running;
        const companion clients([&] {
            for (int i = 0; i < 3; ++i) {
                std::error_code ec;
                net::socket client = net::connect(there, 1s, ec);
                client.send_all("ping", ec);
                std::array<char, 64> buffer{};
                client.recv(buffer, ec);
            }
            me.kill(net::stop_serve{});
        });
        net::serve(std::move(port), [&](net::socket s) {
            ++running.handlers;
            std::error_code ec;
            std::array<char, 64> buffer{};
            while (s.recv(buffer, ec) > 0) s.send_all("pong", ec);
            --running.handlers;
        });
    });
}

TEST_SUITE_END();
