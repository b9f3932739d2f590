// faulty_server.cpp - an echo server that is wrong once, to see whether anybody minds.
//
// usage: faulty_server none|flips|swaps|repeats|hangs_up
//
// SPDX-License-Identifier: BSL-1.0
#include <tendril/tendril.hpp>

#include <cstdio>
#include <span>
#include <string_view>
#include <utility>

namespace net = tendril::net;

namespace {

// The third piece that comes by the 500th connection is not answered rightly.
constexpr int bad_connection = 500;
constexpr int bad_piece = 3;

// False if nothing is to be answered any more.
bool do_wrong(net::socket& client, std::span<char> piece, std::string_view fault) {
    std::error_code gone;
    if (fault == "flips") piece.back() ^= 1;
    if (fault == "swaps") std::swap(piece.front(), piece.back());
    if (fault == "repeats") client.send_all(piece.first(1), gone);
    return fault != "hangs_up";
}

void echo(net::socket client, int number, std::string_view fault) {
    char buffer[4096];
    std::error_code gone;
    for (int pieces = 1;; ++pieces) {
        const std::size_t n = client.recv(buffer, gone);
        if (n == 0) return;
        const bool bad = number == bad_connection && pieces == bad_piece;
        if (bad && !do_wrong(client, {buffer, n}, fault)) return;
        client.send_all({buffer, n}, gone);
    }
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 2) return 2;
    net::listener server = net::listen("127.0.0.1", 0);
    std::printf("listening on %s\n", server.local_address().to_string().c_str());
    std::fflush(stdout);
    for (int number = 1;; ++number) {
        tendril::spawn(echo, server.accept(), number, argv[1]);
    }
}
