// Several servers asked at once, and their answers in the order in which they were
// asked: eventlet's connect example, by a pile.
//
// usage: connect_pile [--once]     --once: the same, it always ends
//
// SPDX-License-Identifier: BSL-1.0
#include <tendril/tendril.hpp>

#include <chrono>
#include <cstdio>
#include <string>
#include <utility>

using namespace std::chrono_literals;
namespace net = tendril::net;

namespace {

// Says its name to whoever connects, but not at once.
void serve_name(net::listener at, const std::string& name, tendril::duration after) {
    for (;;) {
        net::socket client = at.accept();
        tendril::sleep(after);
        client.send_all("I am " + name);
    }
}

std::pair<std::string, std::string> ask(const std::string& name,
                                        const net::address& where) {
    net::socket server = net::connect(where);
    std::string answer;
    for (std::string part; !(part = server.recv(100)).empty();) answer += part;
    return {name, answer};
}

}  // namespace

int main() {
    tendril::run([] {
        tendril::pile<std::pair<std::string, std::string>> answers(10);
        auto delay = 30ms;
        for (const char* name : {"alpha", "beta", "gamma"}) {
            net::listener at = net::listen("127.0.0.1", 0);
            const net::address where = at.local_address();
            tendril::spawn(serve_name, std::move(at), name, delay);
            answers.spawn(ask, name, where);
            delay -= 10ms;
        }
        for (const auto& [name, answer] : answers) {
            std::printf("%s: %s\n", name.c_str(), answer.c_str());
        }
    });
}
