// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/fiber.hpp>
#include <tendril/runtime/hub.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>
#include <tendril/sync/channel.hpp>
#include <tendril/sync/select.hpp>
#include <tendril/test/virtual_time.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <optional>
#include <string>
#include <utility>

#include "../support/clean_end.hpp"
#include "../support/errc_of.hpp"
#include "../support/hub_threads.hpp"
#include "../support/other_thread.hpp"
#include <doctest/doctest.h>

using namespace std::chrono_literals;
using namespace tendril;
using test::clean_end;
using test::clean_end_of_threads;
using test::errc_of;
using test::on_threads;
using test::virtual_time;

TEST_SUITE_BEGIN("sync/select");

namespace {

constexpr auto nothing = [](auto&&...) {};

}  // namespace

TEST_CASE_FIXTURE(clean_end, "the one that is possible happens, the others do not") {
    auto a = make_channel<int>(1);
    auto b = make_channel<int>(1);
    b.to.send(7);
    int had = 0;
    int item = 9;
    CHECK(select(on_receive(a.from, nothing),
                 on_receive(b.from, [&](int i) { had = i; })) == 1);
    CHECK(had == 7);
    b.to.send(8);
    CHECK(select(on_send(b.to, item, nothing), on_send(a.to, item, nothing)) == 1);
    CHECK(a.from.receive() == 9);
    CHECK(b.from.receive() == 8);
    CHECK_FALSE(b.from.try_receive());
}

TEST_CASE_FIXTURE(clean_end, "whoever comes first ends the wait, and the other lines") {
    auto a = make_channel<std::string>();
    auto b = make_channel<std::string>();
    std::string item = "sent";
    auto waiting = spawn([&] {
        std::string had;
        select(on_receive(a.from, [&](std::string s) { had = std::move(s); }),
               on_send(b.to, item, [&] { had = "none"; }));
        return had;
    });
    yield();
    a.to.send("first");
    CHECK(waiting.wait() == "first");
    CHECK(item == "sent");
    CHECK_FALSE(b.from.try_receive());
    CHECK_FALSE(a.to.try_send("nobody is there any more"));
}

TEST_CASE_FIXTURE(clean_end, "two selects meet, from either side") {
    for (const bool sender_first : {true, false}) {
        auto a = make_channel<int>();
        auto b = make_channel<int>();
        int item = 5, had = 0;
        const auto sends = [&] {
            return select(on_receive(a.from, nothing), on_send(b.to, item, nothing));
        };
        const auto receives = [&] {
            return select(on_receive(b.from, [&](int i) { had = i; }),
                          on_receive(a.from, nothing));
        };
        auto first = sender_first ? spawn(sends) : spawn(receives);
        yield();
        auto second = sender_first ? spawn(receives) : spawn(sends);
        CHECK(first.wait() == (sender_first ? 1U : 0U));
        CHECK(second.wait() == (sender_first ? 0U : 1U));
        CHECK(had == 5);
    }
}

TEST_CASE_FIXTURE(clean_end,
                  "a send and a receive on one channel do not meet themselves") {
    virtual_time time;
    auto a = make_channel<int>();
    int item = 1;
    CHECK(select(on_send(a.to, item, nothing), on_receive(a.from, nothing),
                 after(1s, nothing)) == 2);
    CHECK(item == 1);
}

TEST_CASE_FIXTURE(clean_end, "time, the shortest of several, and otherwise") {
    virtual_time time;
    auto a = make_channel<int>();
    std::string called;
    const duration begin = time.passed();
    CHECK(select(after(3s, [&] { called += '3'; }), on_receive(a.from, nothing),
                 after(2s, [&] { called += '2'; })) == 2);
    CHECK(time.passed() - begin == 2s);
    CHECK(select(on_receive(a.from, nothing), otherwise([&] { called += 'o'; })) == 1);
    CHECK(select(after(0s, [&] { called += '0'; }),
                 otherwise([&] { called += 'O'; })) == 1);
    CHECK(called == "2oO");
    CHECK(time.passed() - begin == 2s);
    CHECK(hub::current().armed_timers() == 0);
}

TEST_CASE_FIXTURE(clean_end, "of those that are possible, each gets its share") {
    std::array<channel_ends<int>, 4> all{make_channel<int>(1), make_channel<int>(1),
                                         make_channel<int>(1), make_channel<int>(1)};
    std::array<int, 4> times{};
    constexpr int rounds = 4000;
    for (auto& c : all) c.to.send(0);
    for (int i = 0; i < rounds; ++i) {
        const std::size_t which =
            select(on_receive(all[0].from, nothing), on_receive(all[1].from, nothing),
                   on_receive(all[2].from, nothing), on_receive(all[3].from, nothing));
        ++times[which];
        all[which].to.send(0);
    }
    // Six standard deviations from a fair share.
    for (const int n : times) CHECK(std::abs(n - rounds / 4) < 165);
}

TEST_CASE_FIXTURE(clean_end, "an end that has gone is an error, or told to who asks") {
    auto a = make_channel<int>();
    auto b = make_channel<int>();
    a.to = {};
    CHECK(errc_of([&] {
              select(on_receive(a.from, nothing), on_receive(b.from, nothing));
          }) == std::nullopt);
    std::optional<int> told = 1;
    CHECK(select(on_receive(b.from, nothing),
                 on_receive(a.from, [&](std::optional<int> i) { told = i; })) == 1);
    CHECK_FALSE(told);
    CHECK(errc_of([&] { select(on_receive(a.from, [](int) {})); }) == errc::closed);
    auto waiting =
        spawn([&] { return errc_of([&] { select(on_receive(b.from, [](int) {})); }); });
    yield();
    b.to = {};
    CHECK(waiting.wait() == errc::closed);
    auto c = make_channel<int>();
    c.from = {};
    int item = 1;
    CHECK(errc_of([&] { select(on_send(c.to, item, nothing)); }) == errc::closed);
}

TEST_CASE_FIXTURE(clean_end, "a kill in it takes nothing, and leaves all lines") {
    auto a = make_channel<int>();
    auto b = make_channel<int>();
    int item = 1;
    auto killed = spawn(
        [&] { select(on_receive(a.from, nothing), on_send(b.to, item, nothing)); });
    yield();
    killed.kill();
    CHECK_FALSE(a.to.try_send(1));
    CHECK_FALSE(b.from.try_receive());
    CHECK_THROWS_AS(killed.wait(), greenlet_exit);
}

TEST_CASE_FIXTURE(clean_end, "a callback may ask, with otherwise, and not wait") {
    auto a = make_channel<int>(1);
    std::optional<errc> refused;
    std::size_t chosen = 9;
    auto f = spawn([&] { a.from.receive(); });
    yield();
    hub::current().call_soon([&] {
        refused = errc_of([&] { select(on_receive(a.from, nothing)); });
        int item = 1;
        chosen = select(on_send(a.to, item, nothing), otherwise(nothing));
    });
    f.wait();
    CHECK(refused == errc::in_hub);
    CHECK(chosen == 0);
}

TEST_CASE_FIXTURE(clean_end_of_threads, "between threads no item is lost or doubled") {
    constexpr int each = test::repetitions(40'000);
    auto a = make_channel<int>(4);
    auto b = make_channel<int>();
    std::atomic<long> sum{0};
    std::atomic<int> received{0};
    on_threads(4, [&, to_a = a.to, to_b = b.to, from_a = a.from,
                   from_b = b.from](int thread) mutable {
        if (thread < 2) {
            auto mine_a = to_a;
            auto mine_b = to_b;
            for (int i = 1; i <= each; ++i) {
                int one = i, other = i;
                select(on_send(mine_a, one, nothing), on_send(mine_b, other, nothing));
            }
        } else {
            auto mine_a = from_a;
            auto mine_b = from_b;
            while (received.load() < 2 * each) {
                const auto count = [&](int i) {
                    sum += i;
                    ++received;
                };
                select(on_receive(mine_a, count), on_receive(mine_b, count),
                       after(1ms, nothing));
            }
        }
    });
    CHECK(received == 2 * each);
    CHECK(sum == long{each} * (each + 1));
}

TEST_SUITE_END();
