// seeded_net_test.cpp - streams stay whole, whatever the system does to their calls and
// whoever is ended meanwhile.
//
// SPDX-License-Identifier: BSL-1.0
#include <tendril/net/socket.hpp>
#include <tendril/runtime/detail/choices.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>
#include <tendril/runtime/timeout.hpp>
#include <tendril/test/seeded.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <stdexcept>
#include <string>
#include <string_view>

#include "../support/loopback.hpp"
#include "everywhere.hpp"
#include <doctest/doctest.h>
#include <sys/socket.h>

using namespace std::chrono_literals;
using namespace tendril;
using detail::fault;
using test::clean_net_end;
using test::companion;
using test::explore;
using test::seeded;

TEST_SUITE_BEGIN("kit/seeded net");

namespace {

constexpr std::size_t length = 20'000;

// With the smallest buffers that there can be, so that writers wait too.
test::connection narrow_pair() {
    test::connection both = test::connect_pair();
    for (net::socket* const s : {&both.client, &both.server}) {
        s->set_option(SOL_SOCKET, SO_SNDBUF, 1);
    }
    return both;
}

// Each part of the work notes what it has done before it waits again: so whoever is
// ended in the middle can be followed by another.
class echo {
  public:
    explicit echo(unsigned seed) : text_(test::pattern(length, seed)) {}

    void send() {
        while (sent_ < text_.size()) {
            sent_ += both_.client.send(std::string_view(text_).substr(sent_, 1'000));
        }
    }

    void answer() {
        for (;;) {
            if (unanswered_.empty()) {
                const std::size_t n = both_.server.recv(buffer_);
                if (n == 0) break;
                unanswered_.append(buffer_.data(), n);
            }
            unanswered_.erase(0, both_.server.send(unanswered_));
        }
        both_.server.shutdown(net::shutdown_mode::write);
    }

    void receive() {
        // On the stack of each receiver: nobody may write to it when that one is gone.
        std::array<char, 777> buffer{};
        while (got_.size() < text_.size()) {
            std::size_t n = 0;
            const auto read = [&] { n = both_.client.recv(buffer); };
            if (timeout::silent(20us, read) && n == 0) return;
            got_.append(buffer.data(), n);
        }
    }

    // Only now: the end of a stream is an event, and wakes those who have missed one.
    bool at_end() {
        both_.client.shutdown(net::shutdown_mode::write);
        return both_.client.recv(16).empty();
    }

    std::uint64_t sent_hash() const { return std::hash<std::string>()(text_); }

    std::uint64_t got_hash() const { return std::hash<std::string>()(got_); }

  private:
    test::connection both_ = narrow_pair();
    const std::string text_;
    std::size_t sent_ = 0;
    std::array<char, 1'000> buffer_{};
    std::string unanswered_;
    std::string got_;
};

// Ends it now and then, wherever it is, until it has come to its own end.
void with_kills(const std::function<void()>& work) {
    for (int turns = 3; turns < 10; ++turns) {
        const companion part(work);
        for (int i = 0; i < turns; ++i) yield();
    }
    work();
}

}  // namespace

TEST_CASE_FIXTURE(clean_net_end,
                  "an echo is whole with faults and kills and timeouts at any call") {
    constexpr std::uint64_t seeds = test::sanitized ? 50 : 1'000;
    unsigned run = 0;
    const auto all = explore(1, seeds, [&] {
        const timeout limit(10s);
        echo e(++run);
        const companion sender([&] { with_kills([&] { e.send(); }); });
        const companion server([&] { with_kills([&] { e.answer(); }); });
        with_kills([&] { e.receive(); });
        if (e.got_hash() != e.sent_hash() || !e.at_end())
            throw std::runtime_error("not what was sent");
    });
    CHECK(all.what == "");
    CHECK(all.seeds == seeds);
    for (const fault what : {fault::short_read, fault::short_write, fault::interrupted,
                             fault::spurious_wake, fault::idle_wake, fault::delay}) {
        CHECK((all.faults[what] > 0) == seeded::has_faults());
    }
}

TEST_SUITE_END();
