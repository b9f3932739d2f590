// resets.cpp - a connect that waits for room in a backlog when the port goes away: what
// comes back is a reset, and it is told to that fiber, once.
//
// The system asks again after a second; that is how long this takes.
//
// SPDX-License-Identifier: BSL-1.0
#include <tendril/net/listener.hpp>
#include <tendril/net/socket.hpp>
#include <tendril/runtime/clock.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>

#include <chrono>
#include <cstdio>
#include <system_error>
#include <vector>

using namespace std::chrono_literals;
using namespace tendril;

int main() {
    constexpr int waiting = 10;
    net::listener port = net::listen("127.0.0.1", 0, {.backlog = 0});
    net::listener other = net::listen("127.0.0.1", 0);
    const net::socket filler = net::connect(port.local_address());
    std::vector<fiber<std::error_code>> all;
    for (int i = 0; i < waiting; ++i) {
        all.push_back(spawn([to = port.local_address()] {
            std::error_code ec;
            net::connect(to, 10s, ec);
            return ec;
        }));
    }
    auto acceptor = spawn([&] { return other.accept().recv(16) == "untouched"; });
    tendril::sleep(10ms);
    const time_point begin = clock::now();
    port.close();
    int refused = 0;
    for (auto& f : all) refused += f.wait() == std::errc::connection_refused ? 1 : 0;
    const auto took =
        std::chrono::duration<double, std::milli>(clock::now() - begin).count();
    std::printf("%d of %d waiting connects refused, %.0f ms after the port closed\n",
                refused, waiting, took);
    net::connect(other.local_address()).send_all("untouched");
    return refused == waiting && acceptor.wait() ? 0 : 1;
}
