// closes.cpp - a descriptor is closed under a reader, and its number given to another.
//
//     closes N     N times. The reader is told that it is closed, and never gets what
//                  comes for the new one.
//
// SPDX-License-Identifier: BSL-1.0
#include <tendril/net/socket.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <system_error>

#include <sys/socket.h>
#include <unistd.h>

using namespace tendril;

namespace {

struct pair {
    pair() {
        std::array<int, 2> ends{};
        constexpr int kind = SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK;
        if (socketpair(AF_UNIX, kind, 0, ends.data()) != 0) std::_Exit(2);
        mine = net::socket(ends[0]);
        peer = net::socket(ends[1]);
    }

    net::socket mine, peer;
};

}  // namespace

int main(int argc, char** argv) {
    const long rounds = argc > 1 ? std::atol(argv[1]) : 1'000;
    long same_number = 0, told = 0, right = 0;
    for (long i = 0; i < rounds; ++i) {
        pair old;
        auto reader = spawn([&] {
            std::array<char, 16> buffer{};
            std::error_code ec;
            const std::size_t n = old.mine.recv(buffer, ec);
            return n == 0 && ec == std::errc::bad_file_descriptor;
        });
        yield();
        // Under one that is parked, and under one whose bytes have come.
        if (i % 2 != 0) old.peer.send_all("old");
        const int number = old.mine.native_handle();
        old.mine.close();
        pair next;
        same_number += next.mine.native_handle() == number ? 1 : 0;
        next.peer.send_all("new");
        told += reader.wait() ? 1 : 0;
        right += next.mine.recv(16) == "new" ? 1 : 0;
    }
    std::printf("%ld rounds, %ld with the same number: %ld told, %ld misdelivered\n",
                rounds, same_number, told, rounds - right);
    return same_number == rounds && told == rounds && right == rounds ? 0 : 1;
}
