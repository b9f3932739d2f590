// A port forwarder: two one-way pumps for each connection.
//
// usage: port_forwarder FROM TO     as in 127.0.0.1:8080 127.0.0.1:80
//        port_forwarder --once      to a built-in echo server and back, and ends
//
// SPDX-License-Identifier: BSL-1.0
#include <tendril/tendril.hpp>

#include <cstdio>
#include <memory>
#include <string>

namespace net = tendril::net;

namespace {

// Shared by the two pumps of a connection, and closed when both have ended.
struct tunnel {
    net::socket client;
    net::socket target;
};

// Carries one direction to its end and passes the end on; the other may have more to
// say. If either breaks, both are over.
void pump(const std::shared_ptr<tunnel>& within, net::socket& from, net::socket& to) {
    try {
        char buffer[16 * 1024];
        while (const std::size_t n = from.recv(buffer)) to.send_all({buffer, n});
        to.shutdown(net::shutdown_mode::write);
    } catch (const std::system_error&) {
        within->client.close();
        within->target.close();
    }
}

void forward(net::socket client, net::address to) {
    std::error_code failed;
    net::socket target = net::connect(to, tendril::forever, failed);
    if (failed) {
        std::printf("%s: %s\n", to.to_string().c_str(), failed.message().c_str());
        return;
    }
    const auto t =
        std::make_shared<tunnel>(tunnel{std::move(client), std::move(target)});
    tendril::spawn(pump, t, std::ref(t->client), std::ref(t->target));
    tendril::spawn(pump, t, std::ref(t->target), std::ref(t->client));
}

// Talks through a tunnel to an echo server. True if everything came back.
bool demonstrate() {
    net::listener echo = net::listen("127.0.0.1", 0);
    net::listener front = net::listen("127.0.0.1", 0);
    tendril::spawn([&echo] {
        net::socket s = echo.accept();
        for (std::string part; !(part = s.recv(100)).empty();) s.send_all(part);
    });
    tendril::spawn([&] { forward(front.accept(), echo.local_address()); });

    net::socket s = net::connect(front.local_address());
    s.send_all("there and back again");
    s.shutdown(net::shutdown_mode::write);
    std::string answer;
    for (std::string part; !(part = s.recv(100)).empty();) answer += part;
    std::printf("came back: %s\n", answer.c_str());
    return answer == "there and back again";
}

int forward_all(int argc, char** argv) {
    if (argc == 2 && std::string(argv[1]) == "--once") return demonstrate() ? 0 : 1;
    if (argc != 3) {
        std::fprintf(stderr, "usage: %s FROM TO | --once\n", argv[0]);
        return 2;
    }
    net::listener front = net::listen(net::address::parse(argv[1]));
    const net::address to = net::address::parse(argv[2]);
    std::printf("forwarding %s to %s\n", front.local_address().to_string().c_str(),
                to.to_string().c_str());
    std::fflush(stdout);
    for (;;) tendril::spawn(forward, front.accept(), to);
}

}  // namespace

int main(int argc, char** argv) {
    try {
        return forward_all(argc, argv);
    } catch (const std::exception& e) {
        std::fprintf(stderr, "%s: %s\n", argv[0], e.what());
        return 2;
    }
}
