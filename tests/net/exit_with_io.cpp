// exit_with_io.cpp - a process that ends while much is under way: I/O, locks, timers,
// and things of static lifetime that are destroyed after all hubs, by code that uses
// tendril once more. The argument says who calls exit(); the code must be 0.
//
// SPDX-License-Identifier: BSL-1.0
#include <tendril/tendril.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <unistd.h>

using namespace std::chrono_literals;
using namespace tendril;

namespace {

// A check that fails in a static destructor has no other way to be heard.
void require(bool holds, const char* what) {
    if (holds) return;
    std::fprintf(stderr, "not so: %s\n", what);
    _exit(1);
}

struct connection {
    net::socket client, server;
};

connection connected(net::listener& port) {
    connection c;
    c.client = net::connect(port.local_address());
    c.server = port.accept();
    return c;
}

// Spawns, waits, sleeps, locks, and talks to itself.
void use_everything() {
    mutex m;
    net::listener port = net::listen("127.0.0.1", 0);
    connection c = connected(port);
    auto echo = spawn([&] {
        const std::lock_guard held(m);
        c.server.send_all(c.server.recv(64));
    });
    c.client.send_all("still here");
    require(c.client.recv(64) == "still here", "the echo comes back");
    echo.wait();
    const std::lock_guard held(m);
    sleep(1ms);
    require(!timeout::silent(1ms, [&] { c.client.recv(64); }), "the limit comes");
}

// Destroyed last, of all here.
struct last_user {
    ~last_user() { use_everything(); }
} last;

net::listener static_port;
connection static_connection;
std::vector<connection> more_connections;
mutex static_mutex;
event<int> static_event;
queue<int> static_queue(1);
std::vector<fiber<>> static_fibers;
cancel_scope static_scope;
tendril::timer static_timer;
int unwound = 0;
// From another stack nobody can be unwound.
bool exit_on_main_stack = true;

// Destroyed first.
struct first_user {
    ~first_user() {
        if (exit_on_main_stack) {
            require(unwound == 6, "every fiber has been unwound");
            require(static_mutex.try_lock(), "the lock is free");
            static_mutex.unlock();
        }
        static_scope.cancel();
        use_everything();
    }
} first;

struct counts {
    ~counts() { ++unwound; }
};

template <class F>
void park_in(F f) {
    static_fibers.push_back(spawn([f] {
        const counts at_end;
        f();
    }));
}

void begin_everything() {
    static_port = net::listen("127.0.0.1", 0);
    static_connection = connected(static_port);
    for (int i = 0; i < 3; ++i) more_connections.push_back(connected(static_port));
    park_in([] { static_port.accept(); });
    park_in([] { more_connections[0].server.recv(64); });
    park_in([] {
        const std::lock_guard held(static_mutex);
        const timeout limit(1h);
        static_event.wait();
    });
    park_in([] { const std::lock_guard held(static_mutex); });
    park_in([] {
        const std::string flood(32'000'000, 'x');
        more_connections[1].client.send_all(flood);
    });
    park_in([] {
        static_scope.run([] {
            for (;;) static_queue.get();
        });
    });
    static_timer = hub::current().call_later(1h, [] {});
    for (int i = 0; i < 3; ++i) yield();
}

}  // namespace

int main(int argc, char** argv) {
    const std::string_view who = argc > 1 ? argv[1] : "";
    begin_everything();
    if (who == "main") return 0;
    exit_on_main_stack = false;
    // Its own: whoever waits for what is destroyed is told of it, and goes on.
    connection own = std::move(more_connections.back());
    spawn_n([] { std::exit(0); });
    const timeout limit(1h);
    const uninterrupted here;
    // LeakSanitizer does not look for what only main's stack leads to.
    std::array<std::byte, 64> bytes{};
    own.server.recv(bytes);
    return 2;
}
