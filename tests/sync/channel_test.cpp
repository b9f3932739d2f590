// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/fiber.hpp>
#include <tendril/runtime/hub.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>
#include <tendril/sync/channel.hpp>
#include <tendril/test/virtual_time.hpp>

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "../support/clean_end.hpp"
#include "../support/errc_of.hpp"
#include <doctest/doctest.h>

using namespace std::chrono_literals;
using namespace tendril;
using test::clean_end;
using test::errc_of;
using test::virtual_time;

TEST_SUITE_BEGIN("sync/channel");

TEST_CASE_FIXTURE(clean_end, "items come out in order, with any room") {
    for (const std::size_t room :
         {std::size_t{0}, std::size_t{1}, std::size_t{64}, SIZE_MAX}) {
        auto ends = make_channel<int>(room);
        auto producer = spawn([to = std::move(ends.to)]() mutable {
            for (int i = 0; i < 100; ++i) to.send(i);
        });
        std::vector<int> had;
        for (const int i : ends.from) had.push_back(i);
        REQUIRE(had.size() == 100);
        for (int i = 0; i < 100; ++i) CHECK(had[static_cast<std::size_t>(i)] == i);
        producer.wait();
    }
}

TEST_CASE_FIXTURE(clean_end, "without room a send waits for its receive") {
    auto [to, from] = make_channel<std::string>();
    CHECK_FALSE(to.try_send("nobody"));
    auto sending = spawn([&to = to] { to.send("hello"); });
    yield();
    CHECK_FALSE(sending.done());
    CHECK(from.try_receive() == "hello");
    sending.wait();
    auto receiving = spawn([&from = from] { return from.receive(); });
    yield();
    CHECK(to.try_send("there"));
    CHECK(receiving.wait() == "there");
}

TEST_CASE_FIXTURE(clean_end, "those who wait are served in the order they came") {
    auto [to, from] = make_channel<int>(1);
    to.send(0);
    std::vector<fiber<>> senders;
    for (int i = 1; i < 4; ++i) senders.push_back(spawn([&to = to, i] { to.send(i); }));
    yield();
    for (int i = 0; i < 4; ++i) CHECK(from.receive() == i);
    std::vector<fiber<int>> receivers;
    for (int i = 0; i < 3; ++i) {
        receivers.push_back(spawn([&from = from] { return from.receive(); }));
    }
    yield();
    for (int i = 0; i < 3; ++i) to.send(i);
    for (int i = 0; i < 3; ++i)
        CHECK(receivers[static_cast<std::size_t>(i)].wait() == i);
    for (const auto& s : senders) s.wait();
}

TEST_CASE_FIXTURE(clean_end,
                  "the last sender gone ends the receivers, when all is received") {
    auto [to, from] = make_channel<int>(4);
    {
        sender<int> copy = to;
        copy.send(1);
        to = {};
        copy.send(2);
        CHECK(from.receive() == 1);
    }
    CHECK(from.receive() == 2);
    CHECK(errc_of([&from = from] { from.receive(); }) == errc::closed);
    CHECK(errc_of([&from = from] { from.receive_for(1s); }) == errc::closed);
    CHECK_FALSE(from.try_receive());
}

TEST_CASE_FIXTURE(clean_end, "so it does those who wait already") {
    auto ends = make_channel<int>();
    std::vector<fiber<std::optional<errc>>> waiting;
    for (int i = 0; i < 3; ++i) {
        waiting.push_back(spawn(
            [from = ends.from]() mutable { return errc_of([&] { from.receive(); }); }));
    }
    yield();
    ends.to = {};
    for (auto& w : waiting) CHECK(w.wait() == errc::closed);
}

TEST_CASE_FIXTURE(clean_end,
                  "the last receiver gone ends the senders, who keep their items") {
    auto ends = make_channel<std::string>(1);
    ends.to.send("in the buffer");
    std::string kept = "kept";
    auto waiting =
        spawn([&] { return errc_of([&] { ends.to.send(std::move(kept)); }); });
    yield();
    ends.from = {};
    CHECK(waiting.wait() == errc::closed);
    CHECK(kept == "kept");
    CHECK(errc_of([&] { ends.to.try_send(std::move(kept)); }) == errc::closed);
    CHECK(kept == "kept");
}

TEST_CASE_FIXTURE(clean_end,
                  "limits of time, and kills, take nothing and give nothing") {
    virtual_time time;
    auto [to, from] = make_channel<std::string>();
    const duration begin = time.passed();
    CHECK_FALSE(from.receive_for(1s));
    std::string item = "item";
    CHECK_FALSE(to.send_for(std::move(item), 1s));
    CHECK(item == "item");
    CHECK(time.passed() - begin == 2s);
    auto killed_sender = spawn([&to = to] { to.send("lost"); });
    yield();
    killed_sender.kill();
    CHECK_FALSE(from.try_receive());
    auto killed_receiver = spawn([&from = from] { from.receive(); });
    yield();
    killed_receiver.kill();
    CHECK_FALSE(to.try_send("nobody"));
}

TEST_CASE_FIXTURE(clean_end, "killed with the item on the way, a receiver has it") {
    auto [to, from] = make_channel<int>();
    std::optional<int> had;
    auto receiving = spawn([&from = from, &had] {
        had = from.receive();
        yield();
    });
    yield();
    to.send(7);
    receiving.kill();
    receiving.join();
    CHECK(had == 7);
}

TEST_CASE_FIXTURE(clean_end,
                  "an empty end is an error, and a callback may try, not wait") {
    sender<int> nowhere;
    CHECK_FALSE(nowhere);
    CHECK(errc_of([&] { nowhere.send(1); }) == errc::dead);
    auto ends = make_channel<int>(1);
    std::optional<errc> refused;
    bool sent = false;
    hub::current().call_soon([&] {
        refused = errc_of([&] { ends.from.receive(); });
        sent = ends.to.try_send(1);
    });
    CHECK(ends.from.receive() == 1);
    CHECK(refused == errc::in_hub);
    CHECK(sent);
}

TEST_CASE_FIXTURE(clean_end, "items need only be movable, those left are destroyed") {
    const auto witness = std::make_shared<int>(1);
    {
        auto ends = make_channel<std::unique_ptr<std::shared_ptr<int>>>(32);
        for (int i = 0; i < 20; ++i) {
            ends.to.send(std::make_unique<std::shared_ptr<int>>(witness));
        }
        CHECK(**ends.from.receive() == 1);
        CHECK(witness.use_count() == 20);
    }
    CHECK(witness.use_count() == 1);
}

TEST_CASE_FIXTURE(clean_end, "what nobody can receive any more is destroyed at once") {
    struct request {
        int number;
        sender<int> reply;
    };

    auto [to, from] = make_channel<request>(4);
    auto [reply_to, reply] = make_channel<int>(1);
    to.send({1, std::move(reply_to)});
    from = {};
    CHECK(errc_of([&, &reply = reply] { reply.receive(); }) == errc::closed);
    CHECK(errc_of([] { make_channel<int>(SIZE_MAX - 1); }) == errc::bad_argument);
}

TEST_SUITE_END();
