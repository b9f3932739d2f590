// streams.cpp - streams in parts of any size, down to single bytes, through the
// smallest buffers that the system has: what is read is what was written.
//
//     streams N     N MB, over eight connections; every other call asks for, or offers,
//                   one byte only
//
// SPDX-License-Identifier: BSL-1.0
#include <tendril/net/listener.hpp>
#include <tendril/net/socket.hpp>
#include <tendril/runtime/clock.hpp>
#include <tendril/runtime/spawn.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <span>
#include <utility>
#include <vector>

#include <sys/socket.h>

using namespace tendril;

namespace {

constexpr long lanes = 8;
constexpr long megabyte = 1'000'000;

using dice = std::minstd_rand;
using buffer = std::array<char, 8192>;

struct outcome {
    std::uint64_t hash = 14695981039346656037U;
    long bytes = 0, calls = 0;

    void add(std::span<const char> part) {
        for (const char c : part) {
            hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211U;
        }
        bytes += static_cast<long>(part.size());
        ++calls;
    }
};

std::size_t some_size(dice& d) {
    return d() % 2 == 0 ? 1 : 1 + d() % std::tuple_size_v<buffer>;
}

outcome write_all(net::socket& s, long size, unsigned seed) {
    dice d(seed), bytes(seed + 1'000);
    outcome sent;
    buffer text{};
    while (sent.bytes < size) {
        const auto n = std::min(static_cast<long>(some_size(d)), size - sent.bytes);
        const std::span part(text.data(), static_cast<std::size_t>(n));
        for (char& c : part) c = static_cast<char>(bytes() >> 8U);
        for (std::size_t done = 0; done < part.size();) {
            const std::size_t taken = s.send(std::as_bytes(part.subspan(done)));
            sent.add(part.subspan(done, taken));
            done += taken;
        }
    }
    s.shutdown(net::shutdown_mode::write);
    return sent;
}

outcome read_all(net::socket& s, unsigned seed) {
    dice d(seed + 2'000);
    outcome got;
    buffer text{};
    for (;;) {
        const std::size_t n = s.recv(std::span(text).first(some_size(d)));
        if (n == 0) return got;
        got.add(std::span(text).first(n));
    }
}

}  // namespace

int main(int argc, char** argv) {
    const long megabytes = argc > 1 ? std::atol(argv[1]) : lanes;
    std::vector<fiber<outcome>> writers, readers;
    const time_point begin = clock::now();
    net::listener port = net::listen("127.0.0.1", 0);
    for (unsigned lane = 1; lane <= lanes; ++lane) {
        net::socket from = net::connect(port.local_address());
        from.set_option(SOL_SOCKET, SO_SNDBUF, 1);
        writers.push_back(spawn([lane, megabytes, s = std::move(from)]() mutable {
            return write_all(s, megabytes * megabyte / lanes, lane);
        }));
        readers.push_back(
            spawn([lane, s = port.accept()]() mutable { return read_all(s, lane); }));
    }
    long bytes = 0, calls = 0, right = 0;
    for (std::size_t lane = 0; lane < lanes; ++lane) {
        const outcome sent = writers[lane].wait(), got = readers[lane].wait();
        bytes += got.bytes;
        calls += sent.calls + got.calls;
        right += sent.hash == got.hash && sent.bytes == got.bytes ? 1 : 0;
    }
    const std::chrono::duration<double> took = clock::now() - begin;
    std::printf("%ld MB checked in %ld calls, %ld of %ld streams whole, in %.1f s\n",
                bytes / megabyte, calls, right, lanes, took.count());
    return right == lanes && bytes == megabytes * megabyte / lanes * lanes ? 0 : 1;
}
