// What a hub does between its fibers and the system.
//
// SPDX-License-Identifier: BSL-1.0
#include <tendril/net/socket.hpp>
#include <tendril/runtime/hub.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
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

TEST_SUITE_BEGIN("net/driver");

namespace {

class clean_net_threads : test::made_driver, public test::clean_end_of_threads {};

void echo(net::socket& s) {
    for (std::string part; !(part = s.recv(64)).empty();) s.send_all(part);
}

// A fiber that waits for bytes from now on, so that the hub waits for I/O.
class registered {
  public:
    registered() : reader_(spawn([this] { read_some(both_.server); })) { yield(); }

    ~registered() {
        both_.client.close();
        reader_.wait();
    }

  private:
    connection both_ = connect_pair();
    fiber<> reader_;
};

}  // namespace

TEST_CASE_FIXTURE(clean_net_end,
                  "sleeps shorter than a millisecond are not rounded up to one") {
    const registered one;
    std::vector<duration> took;
    for (int i = 0; i < 51; ++i) {
        const auto begin = clock::now();
        tendril::sleep(300us);
        took.push_back(clock::now() - begin);
    }
    std::sort(took.begin(), took.end());
    CHECK(took.front() >= 300us);
    CHECK(took[took.size() / 2] < 900us);
}

TEST_CASE_FIXTURE(
    clean_net_end,
    "sleeps longer than a millisecond are neither cut short nor rounded up") {
    const registered one;
    std::vector<duration> over;
    for (int i = 0; i < 21; ++i) {
        const duration d = 1ms + i * 100us;
        const auto begin = clock::now();
        tendril::sleep(d);
        over.push_back(clock::now() - begin - d);
    }
    std::sort(over.begin(), over.end());
    CHECK(over.front() >= 0ns);
    CHECK(over[over.size() / 2] < 600us);
}

TEST_CASE_FIXTURE(
    clean_net_threads,
    "a post from another thread wakes a hub that waits for I/O, a thousand times") {
    const registered one;
    hub& home = hub::current();
    std::vector<duration> took;
    test::on_other_thread([&] {
        std::atomic<int> answered{0};
        for (int i = 0; i < 1000; ++i) {
            const auto begin = clock::now();
            home.post([&] {
                ++answered;
                answered.notify_one();
            });
            answered.wait(i);
            took.push_back(clock::now() - begin);
        }
    });
    CHECK(took.size() == 1000);
    CHECK(*std::max_element(took.begin(), took.end()) < 1s);
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
    const auto begin = clock::now();
    for (int i = 0; i < 10; ++i) tendril::sleep(1ms);
    CHECK(clock::now() - begin < 1s);
    for (int i = 0; i < 100; ++i) yield();
    over = true;
    never_waits.wait();
    for (const fiber<>& f : ping_pong) f.wait();
}

TEST_CASE_FIXTURE(clean_net_end,
                  "more events than one look at the system brings are all told") {
    constexpr std::size_t count = 400;
    std::vector<connection> pairs;
    std::vector<fiber<std::string>> readers;
    for (std::size_t i = 0; i < count; ++i) pairs.push_back(connect_pair());
    for (connection& c : pairs) {
        readers.push_back(
            spawn([&c] { return read_some(c.server) + read_some(c.server); }));
    }
    yield();
    for (int round = 0; round < 2; ++round) {
        for (connection& c : pairs) c.client.send_all("x");
        for (int i = 0; i < 10; ++i) tendril::sleep(100us);
    }
    for (const auto& r : readers) REQUIRE(r.wait() == "xx");
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

TEST_SUITE_END();
