// An echo server: a blocking-looking accept loop, and a fiber for each connection.
//
// usage: echo_server [--port N] [--once]
//
// Port 0, the default, lets the system choose; the first line of output says which.
// --once serves one built-in client and ends.
//
// SPDX-License-Identifier: BSL-1.0
#include <tendril/tendril.hpp>

#include <cstdio>
#include <cstring>
#include <string>
#include <utility>

namespace net = tendril::net;

namespace {

void echo(net::socket client) {
    char buffer[4096];
    try {
        while (const std::size_t n = client.recv(buffer)) client.send_all({buffer, n});
    } catch (const std::system_error&) {
        // The client is gone; so is this fiber, and nobody else.
    }
}

// One client that says hello, and whether it got that back.
bool greet(const net::address& server) {
    net::socket s = net::connect(server);
    s.send_all("hello");
    s.shutdown(net::shutdown_mode::write);
    std::string answer;
    for (std::string part; !(part = s.recv(4096)).empty();) answer += part;
    std::printf("echoed: %s\n", answer.c_str());
    return answer == "hello";
}

int serve(int argc, char** argv) {
    std::string port = "0";
    bool once = false;
    for (int i = 1; i < argc; ++i) {
        if (std::strcmp(argv[i], "--once") == 0) {
            once = true;
        } else if (std::strcmp(argv[i], "--port") == 0 && i + 1 < argc) {
            port = argv[++i];
        } else {
            std::fprintf(stderr, "usage: %s [--port N] [--once]\n", argv[0]);
            return 2;
        }
    }

    net::listener server = net::listen(net::address::parse("127.0.0.1:" + port));
    const net::address here = server.local_address();
    std::printf("listening on %s\n", here.to_string().c_str());
    std::fflush(stdout);

    if (once) {
        auto client = tendril::spawn(greet, here);
        echo(server.accept());
        return client.wait() ? 0 : 1;
    }
    for (;;) tendril::spawn(echo, server.accept());
}

}  // namespace

int main(int argc, char** argv) {
    try {
        return serve(argc, argv);
    } catch (const std::exception& e) {
        std::fprintf(stderr, "%s: %s\n", argv[0], e.what());
        return 2;
    }
}
