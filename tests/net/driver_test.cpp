// What a hub does between its fibers and the system.
//
// SPDX-License-Identifier: BSL-1.0
#include <tendril/net/socket.hpp>
#include <tendril/runtime/hub.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>
#include <tendril/sync/event.hpp>

#include <atomic>
#include <chrono>
#include <csignal>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "../support/loopback.hpp"
#include "../support/other_thread.hpp"
#include <doctest/doctest.h>
#include <pthread.h>

using namespace std::chrono_literals;
using namespace tendril;
using test::clean_net_end;
using test::connect_pair;
using test::connection;
using test::read_some;
using test::registered;

TEST_SUITE_BEGIN("net/driver");

namespace {

class clean_net_threads : test::made_driver, public test::clean_end_of_threads {};

void echo(net::socket& s) {
    for (std::string part; !(part = s.recv(64)).empty();) s.send_all(part);
}

}  // namespace

TEST_CASE_FIXTURE(
    clean_net_threads,
    "a post from another thread wakes a hub that waits for I/O, a thousand times") {
    const registered one;
    hub& home = hub::current();
    std::atomic<int> answered{0};
    test::on_other_thread([&] {
        for (int i = 0; i < 1000; ++i) {
            home.post([&] {
                ++answered;
                answered.notify_one();
            });
            answered.wait(i);
        }
    });
    CHECK(answered == 1000);
}

TEST_CASE_FIXTURE(clean_net_end,
                  "fibers that are always ready do not keep I/O waiting") {
    auto [client, server] = connect_pair();
    bool over = false;
    std::vector<fiber<>> busy;
    for (int i = 0; i < 10; ++i) {
        busy.push_back(spawn([&] {
            while (!over) yield();
        }));
    }
    auto echoes = spawn([&server = server] { echo(server); });
    for (int i = 0; i < 200; ++i) {
        client.send_all("ping");
        REQUIRE(read_some(client) == "ping");
    }
    over = true;
    client.close();
    echoes.wait();
}

TEST_CASE_FIXTURE(clean_net_end,
                  "I/O that is always ready does not keep timers and fibers waiting") {
    auto [client, server] = connect_pair();
    bool over = false;
    auto never_waits = spawn([&, &client = client, &server = server] {
        while (!over) {
            client.send_all("x");
            read_some(server, 1);
        }
    });
    std::vector<connection> pairs;
    std::vector<fiber<>> ping_pong;
    for (int i = 0; i < 10; ++i) pairs.push_back(connect_pair());
    for (connection& c : pairs) {
        ping_pong.push_back(spawn([&c] { echo(c.server); }));
        ping_pong.push_back(spawn([&] {
            while (!over) {
                c.client.send_all("x");
                read_some(c.client);
            }
            c.client.close();
        }));
    }
    // Each alarm sets the next.
    event<> last;
    int alarms = 0;
    std::function<void()> alarm = [&] {
        if (++alarms == 100) return last.send();
        hub::current().call_later(0s, alarm);
    };
    hub::current().call_later(1ns, alarm);
    last.wait();
    for (int i = 0; i < 100; ++i) yield();
    over = true;
    never_waits.wait();
    for (const fiber<>& f : ping_pong) f.wait();
}

TEST_CASE_FIXTURE(clean_net_end,
                  "more events than one look at the system brings are all told") {
    constexpr std::size_t count = 400;
    std::vector<connection> pairs;
    std::vector<fiber<>> readers;
    std::size_t got = 0;
    for (std::size_t i = 0; i < count; ++i) pairs.push_back(connect_pair());
    for (connection& c : pairs) {
        readers.push_back(spawn([&] {
            while (!read_some(c.server, 1).empty()) ++got;
        }));
    }
    yield();
    for (std::size_t round = 1; round <= 2; ++round) {
        for (connection& c : pairs) c.client.send_all("x");
        while (got < round * count) yield();
    }
    for (connection& c : pairs) c.client.close();
    for (const auto& r : readers) r.wait();
    CHECK(got == 2 * count);
}

TEST_CASE_FIXTURE(clean_net_end, "signals do not disturb who waits") {
    struct sigaction old {};

    struct sigaction ignore {};

    ignore.sa_handler = [](int) {};
    REQUIRE(sigaction(SIGUSR1, &ignore, &old) == 0);
    auto [client, server] = connect_pair();
    auto reader = spawn([&server = server] { return read_some(server); });
    yield();
    const pthread_t here = pthread_self();
    std::thread([&, &client = client] {
        for (int i = 0; i < 100; ++i) {
            pthread_kill(here, SIGUSR1);
            std::this_thread::yield();
        }
        ::send(client.native_handle(), "at last", 7, MSG_NOSIGNAL);
    }).detach();
    CHECK(reader.wait() == "at last");
    sigaction(SIGUSR1, &old, nullptr);
}

TEST_CASE_FIXTURE(clean_net_threads,
                  "each thread has a hub of its own: four pairs on four threads") {
    std::atomic<int> right{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
        threads.emplace_back([&right, t] {
            auto [client, server] = connect_pair();
            auto echoes = spawn([&server = server] { echo(server); });
            for (int i = 0; i < 500; ++i) {
                const std::string text = std::to_string(t) + ":" + std::to_string(i);
                client.send_all(text);
                right += read_some(client) == text ? 1 : 0;
            }
            client.close();
            echoes.wait();
        });
    }
    for (std::thread& t : threads) t.join();
    CHECK(right == 4 * 500);
}

TEST_CASE_FIXTURE(clean_net_end, "posts that never end hold up no reader") {
    auto [client, server] = connect_pair();
    auto reader = spawn([&server = server] { return read_some(server); });
    yield();
    client.send_all("x");
    int posts = 0;
    hub& h = hub::current();
    event<> over;
    std::function<void()> post_next = [&] {
        if (reader.done() || ++posts == 1'000'000) return over.send();
        h.post(post_next);
    };
    h.post(post_next);
    CHECK(reader.wait() == "x");
    over.wait();
    // Looked for each 50 us.
    CHECK(posts < 100'000);
}

TEST_SUITE_END();
