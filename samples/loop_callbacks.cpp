// Callbacks only, no fiber but main: two ends of a socket talk over the hub.
//
// usage: loop_callbacks [--once]     --once: ends after 3 questions, not after 10
//
// SPDX-License-Identifier: BSL-1.0
#include <tendril/tendril.hpp>

#include <chrono>
#include <cstdio>
#include <string>
#include <string_view>

#include <sys/socket.h>
#include <unistd.h>

namespace {

using namespace std::chrono_literals;

std::string read_line(int fd) {
    char text[64];
    const ssize_t n = read(fd, text, sizeof text);
    return {text, n > 0 ? static_cast<std::size_t>(n) : 0};
}

// Sends `text` as soon as there is room for it, and then looks no more.
void send_when_writable(tendril::hub& h, int fd, std::string text) {
    h.add_writer(fd, [&h, fd, text = std::move(text)] {
        if (write(fd, text.data(), text.size()) > 0) h.remove_writer(fd);
    });
}

}  // namespace

int main(int argc, char** argv) {
    const bool once = argc > 1 && std::string_view(argv[1]) == "--once";
    int left = once ? 3 : 10;
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) != 0) return 1;
    const auto [client, server] = ends;
    std::setvbuf(stdout, nullptr, _IOLBF, BUFSIZ);

    tendril::hub& h = tendril::hub::current();
    h.add_reader(server, [&h, server = server] {
        const std::string question = read_line(server);
        std::printf("server: %s?\n", question.c_str());
        send_when_writable(h, server, question + "!");
    });
    const auto ask = [&h, client = client](int number) {
        send_when_writable(h, client, "question " + std::to_string(number));
    };
    h.add_reader(client, [&h, &left, &ask, client = client] {
        std::printf("client: %s\n", read_line(client).c_str());
        if (--left == 0) {
            h.stop();
        } else {
            h.call_later(10ms, [&left, &ask] { ask(left); });
        }
    });
    h.call_soon([&left, &ask] { ask(left); });
    h.run_forever();

    std::printf("client had a reader: %s\n", h.remove_reader(client) ? "yes" : "no");
    std::printf("client has a writer: %s\n", h.remove_writer(client) ? "yes" : "no");
    h.remove_reader(server);
    close(client);
    close(server);
}
