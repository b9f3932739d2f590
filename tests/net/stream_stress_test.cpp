// Thousands of conversations with irregular chunks, pauses and ends.
//
// SPDX-License-Identifier: BSL-1.0
#include <tendril/net/socket.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "../support/loopback.hpp"
#include <doctest/doctest.h>

using namespace tendril;
using test::clean_net_end;
using test::pattern;

TEST_SUITE_BEGIN("net/stream stress");

namespace {

using dice = std::minstd_rand;

std::size_t up_to(dice& d, std::size_t most) {
    return d() % (most + 1);
}

// What one end sends.
struct stream {
    unsigned seed;
    std::size_t size;
};

std::uint64_t hash(std::string_view bytes,
                   std::uint64_t so_far = 14695981039346656037U) {
    for (const char c : bytes) {
        so_far = (so_far ^ static_cast<unsigned char>(c)) * 1099511628211U;
    }
    return so_far;
}

void pause(dice& d) {
    for (std::size_t turns = up_to(d, 3) == 0 ? up_to(d, 40) : 0; turns > 0; --turns) {
        yield();
    }
}

// Mostly small, so that ends come often; now and then more than the system buffers.
std::size_t some_size(dice& d) {
    static constexpr std::size_t limits[] = {0,    1,    100,    100,
                                             3000, 3000, 20'000, 400'000};
    return up_to(d, limits[up_to(d, std::size(limits) - 1)]);
}

void send_irregularly(net::socket& s, const stream& out) {
    dice d(out.seed);
    const std::string text = pattern(out.size, out.seed);
    const std::size_t largest = std::max<std::size_t>(out.size / (1 + up_to(d, 50)), 1);
    for (std::size_t sent = 0; sent < text.size();) {
        const std::size_t n = std::min(1 + up_to(d, largest - 1), text.size() - sent);
        s.send_all(std::string_view(text).substr(sent, n));
        sent += n;
        pause(d);
    }
    s.shutdown(net::shutdown_mode::write);
}

void expect_all(net::socket& s, const stream& in) {
    dice d(in.seed + 1);
    std::vector<char> buffer(std::max<std::size_t>(in.size / (1 + up_to(d, 50)), 1));
    std::uint64_t so_far = hash({});
    std::size_t size = 0;
    for (;;) {
        pause(d);
        const std::size_t most = 1 + up_to(d, buffer.size() - 1);
        const std::size_t n = s.recv({buffer.data(), most});
        if (n == 0) break;
        so_far = hash({buffer.data(), n}, so_far);
        size += n;
    }
    if (size != in.size || so_far != hash(pattern(in.size, in.seed))) {
        throw std::runtime_error("stream of seed " + std::to_string(in.seed) +
                                 " came out wrong");
    }
}

// One end: sends and receives at the same time.
void converse(net::socket s, stream out, stream in) {
    auto sender = spawn([&] { send_irregularly(s, out); });
    expect_all(s, in);
    sender.wait();
}

}  // namespace

TEST_CASE_FIXTURE(
    clean_net_end,
    "every byte of three thousand irregular conversations arrives, and every end") {
    constexpr unsigned lanes = 50;
    constexpr unsigned in_each = 60;
    std::size_t bytes = 0;
    std::vector<fiber<>> running;
    for (unsigned lane = 0; lane < lanes; ++lane) {
        running.push_back(spawn([lane, &bytes] {
            dice d(lane + 1);
            for (unsigned i = 0; i < in_each; ++i) {
                const stream out{lane * 1000 + 2 * i + 1, some_size(d)};
                const stream back{lane * 1000 + 2 * i + 2, some_size(d)};
                bytes += out.size + back.size;
                auto [client, server] = test::connect_pair();
                auto other = spawn(converse, std::move(server), back, out);
                converse(std::move(client), out, back);
                other.wait();
            }
        }));
    }
    for (const fiber<>& f : running) f.wait();
    CHECK(bytes > 50'000'000);
}

TEST_SUITE_END();
