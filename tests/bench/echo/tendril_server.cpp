// An echo server on tendril: a fiber for each connection, which looks as if it blocked.
// SPDX-License-Identifier: BSL-1.0
#include <tendril/net/listener.hpp>
#include <tendril/net/socket.hpp>
#include <tendril/runtime/spawn.hpp>

#include <array>
#include <cstddef>
#include <span>
#include <utility>

#include "announce.h"

namespace {

void echo(tendril::net::socket s) {
    std::array<std::byte, 4096> buffer;
    while (const std::size_t n = s.recv(buffer)) {
        s.send_all(std::span(buffer).first(n));
    }
}

}  // namespace

int main() {
    auto listener = tendril::net::listen("127.0.0.1", 0);
    announce(listener.local_address().port());
    for (;;) tendril::spawn_n(echo, listener.accept());
}
