// backlog.cpp - many more connect than a port that nobody accepts at has room for.
//
//     backlog N     N fibers connect at once, each for half a second. As many as there
//                   is room for succeed; the others end in time with timed_out. When
//                   the first have been accepted, the next one is served.
//
// SPDX-License-Identifier: BSL-1.0
#include <tendril/net/listener.hpp>
#include <tendril/net/socket.hpp>
#include <tendril/runtime/clock.hpp>
#include <tendril/runtime/hub.hpp>
#include <tendril/runtime/spawn.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <iterator>
#include <system_error>
#include <utility>
#include <vector>

#include <sys/resource.h>

using namespace std::chrono_literals;
using namespace tendril;

namespace {

constexpr auto limit = 500ms;

std::size_t open_descriptors() {
    const std::filesystem::directory_iterator all("/proc/self/fd");
    return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}

struct attempt {
    net::socket connection;
    std::error_code error;
    duration took{};
};

attempt dial(const net::address& to) {
    attempt a;
    const time_point begin = clock::now();
    a.connection = net::connect(to, limit, a.error);
    a.took = clock::now() - begin;
    return a;
}

bool one_more_is_served(net::listener& port) {
    auto server = spawn([&] { port.accept().send_all("!"); });
    net::socket client = net::connect(port.local_address());
    const bool served = client.recv(16) == "!";
    server.wait();
    return served;
}

}  // namespace

int main(int argc, char** argv) {
    const long n = argc > 1 ? std::atol(argv[1]) : 100;
    rlimit files{};
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);

    net::listener port = net::listen("127.0.0.1", 0, {.backlog = 1});
    const net::address there = port.local_address();
    dial(there);
    port.accept();
    const std::size_t descriptors = open_descriptors();

    std::vector<fiber<attempt>> all;
    for (long i = 0; i < n; ++i) all.push_back(spawn(dial, there));
    std::vector<net::socket> connected;
    long dropped = 0;
    duration least = duration::max(), most{};
    for (auto& f : all) {
        attempt a = std::move(f).wait();
        if (!a.error) {
            connected.push_back(std::move(a.connection));
        } else if (a.error == std::errc::timed_out) {
            ++dropped;
            least = std::min(least, a.took);
            most = std::max(most, a.took);
        }
    }
    all.clear();
    const std::size_t left = open_descriptors() - connected.size();
    const auto late = std::chrono::duration<double, std::milli>(most - limit).count();
    std::printf("%ld connects: %zu taken, %ld timed out, up to %.0f ms late\n", n,
                connected.size(), dropped, late);

    // The system takes one more than it was told.
    const bool counted = connected.size() == 2 && dropped == n - 2;
    for (std::size_t i = 0; i < connected.size(); ++i) port.accept();
    connected.clear();
    const bool served = one_more_is_served(port);
    return counted && served && least >= limit && late < 1'000 && left == descriptors &&
                   hub::current().armed_timers() == 0
               ? 0
               : 1;
}
