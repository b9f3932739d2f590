// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/hub.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>
#include <tendril/runtime/stack.hpp>
#include <tendril/test/virtual_time.hpp>

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <stdexcept>
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

TEST_SUITE_BEGIN("runtime/spawn");

namespace {

struct counts_copies {
    int copies = 0;
    int moves = 0;

    counts_copies() = default;

    counts_copies(const counts_copies& other)
        : copies(other.copies + 1), moves(other.moves) {}

    counts_copies(counts_copies&& other) noexcept
        : copies(other.copies), moves(other.moves + 1) {}

    counts_copies& operator=(const counts_copies&) = default;
    counts_copies& operator=(counts_copies&&) = default;
    ~counts_copies() = default;
};

struct throws_when_copied {
    throws_when_copied() = default;

    throws_when_copied(const throws_when_copied&) {
        throw std::runtime_error("cannot be copied");
    }

    void operator()() const {}
};

int twice(int x) {
    return 2 * x;
}

}  // namespace

TEST_CASE_FIXTURE(clean_end, "a spawned fiber does not run before its spawner yields") {
    std::string order;
    const any_fiber f = spawn_n([&] { order += "ran"; });
    CHECK(order.empty());
    CHECK_FALSE(f.done());
    yield();
    CHECK(order == "ran");
    CHECK(f.done());
}

TEST_CASE_FIXTURE(clean_end, "fibers start in the order they were spawned") {
    std::string order;
    for (char c = 'a'; c <= 'z'; ++c) spawn([&order, c] { order += c; });
    yield();
    CHECK(order == "abcdefghijklmnopqrstuvwxyz");
}

TEST_CASE_FIXTURE(clean_end, "spawn and spawn_n stand in one line with call_soon") {
    std::string order;
    spawn([&] { order += '1'; });
    hub::current().call_soon([&] { order += '2'; });
    spawn_n([&] { order += '3'; });
    hub::current().call_soon([&] { order += '4'; });
    yield();
    CHECK(order == "1234");
}

TEST_CASE_FIXTURE(clean_end, "arguments are moved or copied in, once, and moved on") {
    counts_copies given;
    const counts_copies got =
        spawn([](counts_copies c) { return c; }, std::as_const(given)).wait();
    CHECK(got.copies == 1);
    auto owned = std::make_unique<int>(7);
    CHECK(spawn([](std::unique_ptr<int> p) { return *p; }, std::move(owned)).wait() ==
          7);
    CHECK(owned == nullptr);
}

TEST_CASE_FIXTURE(clean_end, "std::ref shares an argument") {
    int n = 1;
    spawn([](int& x) { ++x; }, std::ref(n)).wait();
    CHECK(n == 2);
}

TEST_CASE_FIXTURE(clean_end, "whatever std::invoke calls can be spawned") {
    struct counter {
        int n = 0;

        int add(int x) { return n += x; }
    } c;

    CHECK(spawn(twice, 21).wait() == 42);
    CHECK(spawn(&counter::add, &c, 5).wait() == 5);
    CHECK(spawn(std::function<int()>([] { return 3; })).wait() == 3);
    auto move_only = [p = std::make_unique<int>(4)] { return *p; };
    CHECK(spawn(std::move(move_only)).wait() == 4);
}

TEST_CASE_FIXTURE(clean_end, "a callable larger than a kilobyte arrives whole") {
    std::array<unsigned char, 5000> data{};
    for (std::size_t i = 0; i < data.size(); ++i) {
        data[i] = static_cast<unsigned char>(i * 7);
    }
    auto f = spawn([data] {
        for (std::size_t i = 0; i < data.size(); ++i) {
            if (data[i] != static_cast<unsigned char>(i * 7)) return false;
        }
        return true;
    });
    CHECK(f.wait());
}

TEST_CASE_FIXTURE(clean_end, "a null callable is a bad argument, and nothing is made") {
    using function = void (*)();
    const hub& h = hub::current();
    const std::size_t before = h.live_fibers();
    CHECK_THROWS_WITH_AS(spawn(function{}), "spawn was given nothing to call",
                         fiber_error);
    CHECK(errc_of([] { spawn(std::function<void()>{}); }) == errc::bad_argument);
    CHECK(errc_of([] { spawn_n(function{}); }) == errc::bad_argument);
    CHECK(errc_of([] { spawn_after(1s, function{}); }) == errc::bad_argument);
    CHECK(errc_of([] { spawn_after_local(1s, function{}); }) == errc::bad_argument);
    CHECK(errc_of([] { spawn(spawn_options{}, function{}); }) == errc::bad_argument);
    CHECK(h.live_fibers() == before);
    CHECK(h.stacks_in_use() == 0);
}

TEST_CASE_FIXTURE(clean_end, "a callable that cannot be copied in leaves nothing") {
    const throws_when_copied f;
    CHECK_THROWS_WITH_AS(spawn(f), "cannot be copied", std::runtime_error);
    CHECK(hub::current().live_fibers() == 0);
    CHECK(hub::current().stacks_in_use() == 0);
}

TEST_CASE_FIXTURE(clean_end,
                  "a negative delay is a bad argument, and nothing is made") {
    CHECK_THROWS_WITH_AS(spawn_after(-1ns, [] {}),
                         "a duration was given that is negative", fiber_error);
    CHECK_THROWS_WITH_AS(spawn_after_local(-1h, [] {}),
                         "a duration was given that is negative", fiber_error);
    CHECK(hub::current().live_fibers() == 0);
}

TEST_CASE_FIXTURE(clean_end, "what a spawn_n body throws goes to the hook at once") {
    const any_fiber f = spawn_n(
        {.name = "sink"}, [] { throw std::runtime_error("nobody will ever know"); });
    yield();
    REQUIRE(reported.size() == 1);
    CHECK(reported[0].starts_with("in fiber " + std::to_string(f.id()) + " 'sink'"));
    CHECK(reported[0].ends_with(": std::runtime_error: nobody will ever know"));
    reported.clear();
    spawn_n([] { throw greenlet_exit{}; });
    yield();
    CHECK(reported.empty());
}

TEST_CASE_FIXTURE(clean_end, "ids are unique, and a fiber's own says so inside") {
    std::vector<any_fiber> all;
    std::vector<std::uint64_t> inside;
    for (int i = 0; i < 100; ++i) {
        all.push_back(spawn_n([&] { inside.push_back(current().id()); }));
    }
    yield();
    std::set<std::uint64_t> ids(inside.begin(), inside.end());
    ids.insert(current().id());
    CHECK(ids.size() == 101);
    for (std::size_t i = 0; i < all.size(); ++i) CHECK(all[i].id() == inside[i]);
}

TEST_CASE_FIXTURE(clean_end, "a fiber's name is the one it was given last") {
    auto f = spawn({.name = "reader"}, [] { return current().name(); });
    CHECK(f.name() == "reader");
    f.set_name("writer");
    CHECK(f.wait() == "writer");
    auto nameless = spawn([] { return current().name(); });
    CHECK(nameless.wait().empty());
}

TEST_CASE_FIXTURE(clean_end, "messages name the fiber and the line it was spawned at") {
    const unsigned line = __LINE__ + 1;
    auto f = spawn({.name = "selfish"}, [] { current().join(); });
    const std::string expected = "fiber " + std::to_string(f.id()) +
                                 " 'selfish' (made at " __FILE__ ":" +
                                 std::to_string(line) + ") waits for its own end";
    CHECK_THROWS_WITH_AS(f.wait(), expected.c_str(), fiber_error);
    const unsigned next_line = __LINE__ + 1;
    auto g = spawn([] { current().join(); });
    const std::string also = "fiber " + std::to_string(g.id()) +
                             " (made at " __FILE__ ":" + std::to_string(next_line) +
                             ") waits for its own end";
    CHECK_THROWS_WITH_AS(g.wait(), also.c_str(), fiber_error);
}

// -- later

TEST_CASE_FIXTURE(clean_end, "spawn_after starts a fiber when its time has come") {
    virtual_time time;
    auto f = spawn_after(
        2h, [&](int x) { return x + time.passed() / 1h; }, 40);
    CHECK_FALSE(f.done());
    CHECK(f.wait() == 42);
}

TEST_CASE_FIXTURE(clean_end, "a delayed fiber cancelled in time is over at once") {
    virtual_time time;
    auto f = spawn_after(100ms, [] { FAIL("it must never run"); });
    CHECK(f.cancel());
    CHECK(f.done());
    CHECK(hub::current().armed_timers() == 0);
    CHECK(hub::current().live_fibers() == 0);
    tendril::sleep(1s);
    CHECK_THROWS_AS(f.wait(), greenlet_exit);
}

TEST_CASE_FIXTURE(clean_end, "a fiber delayed for ever waits to be cancelled") {
    virtual_time time;
    auto f = spawn_after(forever, [] { FAIL("it must never run"); });
    tendril::sleep(1000h);
    CHECK(hub::current().armed_timers() == 0);
    CHECK(hub::current().live_fibers() == 1);
    CHECK(f.cancel());
    CHECK(f.done());
}

TEST_CASE_FIXTURE(clean_end, "spawn_after_local starts while its creator lives on") {
    virtual_time time;
    bool ran = false;
    auto creator = spawn([&] {
        spawn_after_local(1s, [&] { ran = true; });
        tendril::sleep(2s);
    });
    creator.wait();
    CHECK(ran);
}

TEST_CASE_FIXTURE(clean_end,
                  "spawn_after_local never starts once its creator is over") {
    virtual_time time;
    fiber<> local, global;
    bool ran = false;
    auto creator = spawn([&] {
        local = spawn_after_local(1s, [] { FAIL("its creator has ended"); });
        global = spawn_after(1s, [&] { ran = true; });
    });
    creator.wait();
    tendril::sleep(2s);
    CHECK(ran);
    CHECK(local.done());
    CHECK_THROWS_AS(local.wait(), greenlet_exit);
}

TEST_CASE_FIXTURE(clean_end,
                  "a large result changes nothing about stack sizes allowed") {
    const auto large = [] { return std::array<char, 64 * 1024>{}; };
    for (const std::size_t size : {std::size_t{1}, SIZE_MAX, SIZE_MAX - 64 * 1024}) {
        CHECK(errc_of([&] { spawn({.stack_size = size}, large); }) ==
              errc::bad_argument);
    }
    CHECK(spawn({.stack_size = minimum_stack_size}, large).wait()[0] == 0);
}

TEST_SUITE_END();
