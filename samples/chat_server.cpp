// A chat server: what one member writes, all the others read.
//
// usage: chat_server [PORT]     then, in two terminals, nc 127.0.0.1 PORT
//        chat_server --once     two built-in members talk, and it ends
//
// SPDX-License-Identifier: BSL-1.0
#include <tendril/tendril.hpp>

#include <cstdio>
#include <memory>
#include <set>
#include <string>

namespace net = tendril::net;

namespace {

// One fiber reads from the connection, another writes the mail to it: a member who
// reads slowly holds up nobody, and misses what does not fit.
struct member {
    explicit member(net::socket s) : connection(std::move(s)) {}

    net::socket connection;
    tendril::queue<std::string> mail{100};
};

// All fibers are of one thread, and change only where they wait: no lock.
std::set<std::shared_ptr<member>> members;

void deliver_mail(const std::shared_ptr<member>& to) {
    std::error_code gone;
    while (!gone) to->connection.send_all(to->mail.get(), gone);
}

void chat(net::socket connection) {
    const auto me = std::make_shared<member>(std::move(connection));
    const auto delivery = tendril::spawn(deliver_mail, me);
    members.insert(me);
    std::string text;
    std::error_code gone;
    char buffer[1024];
    while (const std::size_t got = me->connection.recv(buffer, gone)) {
        text.append(buffer, got);
        for (std::size_t n; (n = text.find('\n') + 1) != 0; text.erase(0, n)) {
            for (const auto& m : members) {
                if (m != me) m->mail.try_put(text.substr(0, n));
            }
        }
    }
    members.erase(me);
    delivery.kill();
}

// One member says hello, the other answers. True if both have heard.
bool demonstrate() {
    net::listener server = net::listen("127.0.0.1", 0);
    auto bob = tendril::spawn([here = server.local_address()] {
        net::socket s = net::connect(here);
        std::string heard = s.recv(100);
        s.send_all("hello alice, this is bob\n");
        return heard;
    });
    tendril::spawn(chat, server.accept());
    net::socket alice = net::connect(server.local_address());
    tendril::spawn(chat, server.accept());
    alice.send_all("hello bob, this is alice\n");
    const std::string heard = alice.recv(100);
    std::printf("bob heard: %salice heard: %s", bob.wait().c_str(), heard.c_str());
    return bob.wait().ends_with("alice\n") && heard.ends_with("bob\n");
}

int serve(int argc, char** argv) {
    const std::string argument = argc > 1 ? argv[1] : "0";
    if (argument == "--once") return demonstrate() ? 0 : 1;
    net::listener server = net::listen(net::address::parse("127.0.0.1:" + argument));
    std::printf("listening on %s\n", server.local_address().to_string().c_str());
    std::printf("talk to it with: nc 127.0.0.1 %d\n", server.local_address().port());
    std::fflush(stdout);
    for (;;) tendril::spawn(chat, server.accept());
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
