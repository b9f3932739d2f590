// no_descriptors.cpp - a server whose process has no descriptors left, with clients
// waiting to be accepted: it rests, goes on to serve those that it has, and accepts
// again soon after there are descriptors.
//
// SPDX-License-Identifier: BSL-1.0
#include <tendril/net/listener.hpp>
#include <tendril/net/socket.hpp>
#include <tendril/runtime/clock.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>

#include <chrono>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

using namespace std::chrono_literals;
using namespace tendril;

namespace {

constexpr int waiting = 100;

duration processor_time() {
    timespec t{};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return std::chrono::seconds(t.tv_sec) + std::chrono::nanoseconds(t.tv_nsec);
}

double in_ms(duration d) {
    return std::chrono::duration<double, std::milli>(d).count();
}

void set_limit(rlim_t files) {
    rlimit r{};
    getrlimit(RLIMIT_NOFILE, &r);
    r.rlim_cur = files;
    setrlimit(RLIMIT_NOFILE, &r);
}

void echo(net::socket s) {
    for (std::string part; !(part = s.recv(64)).empty();) s.send_all(part);
}

bool is_served(net::socket& client) {
    client.send_all("ping");
    return client.recv(64) == "ping";
}

}  // namespace

int main() {
    rlimit before{};
    getrlimit(RLIMIT_NOFILE, &before);
    net::listener port = net::listen("127.0.0.1", 0);
    net::socket open = net::connect(port.local_address());
    spawn(echo, port.accept());
    std::vector<net::socket> clients;
    for (int i = 0; i < waiting; ++i) {
        clients.push_back(net::connect(port.local_address()));
    }
    const int lowest = ::dup(0);
    ::close(lowest);
    set_limit(static_cast<rlim_t>(lowest));
    auto server = spawn([&] {
        for (;;) spawn(echo, port.accept());
    });

    bool served = true;
    const duration worked = processor_time();
    const time_point begin = clock::now();
    int rounds = 0;
    for (; clock::now() < begin + 3s; ++rounds) {
        served = is_served(open) && served;
        tendril::sleep(10ms);
    }
    const double share =
        100 * in_ms(processor_time() - worked) / in_ms(clock::now() - begin);
    const auto tries = port.backoffs();
    std::printf(
        "3 s without descriptors: %.1f %% of a processor, %zu tries, an open "
        "connection served %d times\n",
        share, tries, rounds);

    set_limit(before.rlim_cur);
    const time_point relief = clock::now();
    for (net::socket& client : clients) served = is_served(client) && served;
    const double recovery = in_ms(clock::now() - relief);
    std::printf("%d served within %.0f ms of relief\n", waiting, recovery);
    server.kill();
    return served && tries > 0 && share < 5 && recovery < 1'000 + 100 ? 0 : 1;
}
