// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/error.hpp>
#include <tendril/runtime/hub.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>
#include <tendril/runtime/timeout.hpp>
#include <tendril/sync/future.hpp>
#include <tendril/test/virtual_time.hpp>

#include <atomic>
#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "../support/clean_end.hpp"
#include "../support/errc_of.hpp"
#include "../support/other_thread.hpp"
#include <doctest/doctest.h>

using namespace std::chrono_literals;
using namespace tendril;
using test::clean_end;
using test::clean_end_of_threads;
using test::errc_of;
using test::virtual_time;

namespace {

template <class R>
using promise = detail::promise<R>;

}  // namespace

TEST_SUITE_BEGIN("sync/future");

TEST_CASE_FIXTURE(clean_end, "all who wait get the result and those who come later") {
    promise<std::string> p;
    const future<std::string> f = p.get_future();
    auto first = spawn([&] { return f.wait(); });
    auto second = spawn([&] { return f.wait(); });
    yield();
    CHECK_FALSE(f.done());
    p.keep("done");
    CHECK(f.done());
    CHECK(first.wait() == "done");
    CHECK(second.wait() == "done");
    CHECK(f.wait() == "done");
    CHECK(f.exception() == nullptr);
}

TEST_CASE_FIXTURE(clean_end, "an exception is thrown to each who asks") {
    promise<int> p;
    const future<int> f = p.get_future();
    p.fail(std::make_exception_ptr(std::runtime_error("no luck")));
    CHECK_THROWS_WITH_AS(f.wait(), "no luck", std::runtime_error);
    CHECK_THROWS_WITH_AS(f.wait(), "no luck", std::runtime_error);
    CHECK(f.exception() != nullptr);
}

TEST_CASE_FIXTURE(clean_end, "a result is moved to the last one who holds it") {
    promise<std::unique_ptr<int>> p;
    auto f = p.get_future();
    p.keep(std::make_unique<int>(7));
    const std::unique_ptr<int> got = std::move(f).wait();
    CHECK(*got == 7);

    promise<std::string> q;
    auto one = q.get_future();
    auto other = one;
    q.keep("kept");
    CHECK(std::move(one).wait() == "kept");
    one = {};
    CHECK(other.wait() == "kept");
}

TEST_CASE_FIXTURE(clean_end, "references and nothing at all are results too") {
    int target = 1;
    promise<int&> p;
    auto f = p.get_future();
    auto set = [&]() -> int& { return target; };
    p.keep_result_of(set, [] {});
    f.wait() = 2;
    CHECK(target == 2);

    promise<void> q;
    auto g = q.get_future();
    auto nothing = [] {};
    q.keep_result_of(nothing, [] {});
    g.wait();
    CHECK(g.done());
}

TEST_CASE_FIXTURE(clean_end, "who has waited long enough goes on without it") {
    const virtual_time from_here;
    promise<int> p;
    const auto f = p.get_future();
    const time_point begin = hub::current().now();
    CHECK_FALSE(f.join_for(2s));
    CHECK(hub::current().now() - begin == 2s);
    CHECK_FALSE(f.join(begin));
    CHECK(errc_of([&] { f.join_for(-1s); }) == errc::bad_argument);
    auto killed = spawn([&] { f.wait(); });
    yield();
    killed.kill();
    CHECK(killed.done());
    p.keep(1);
    CHECK(f.join(hub::current().now()));
}

TEST_CASE_FIXTURE(clean_end, "work that is dropped undone is an error for who waits") {
    future<int> f;
    {
        const promise<int> p;
        f = p.get_future();
    }
    CHECK(errc_of([&] { f.wait(); }) == errc::abandoned);
}

TEST_CASE_FIXTURE(clean_end, "only the first of several ends counts") {
    promise<int> p;
    const future<int> f = p.get_future();
    const auto core = detail::future_access::core(f);
    core->complete(std::make_exception_ptr(greenlet_exit{}));
    core->complete(nullptr);
    p.keep(3);
    CHECK_THROWS_AS(f.wait(), greenlet_exit);
}

TEST_CASE_FIXTURE(clean_end, "an empty one is an error to use") {
    const future<int> f;
    CHECK_FALSE(f);
    CHECK(errc_of([&] { f.wait(); }) == errc::dead);
    CHECK(errc_of([&] { static_cast<void>(f.done()); }) == errc::dead);
    CHECK(errc_of([&] { f.cancel(); }) == errc::dead);
}

TEST_CASE_FIXTURE(clean_end, "cancel is for what is not over and can be cancelled") {
    promise<void> p;
    const auto f = p.get_future();
    CHECK_FALSE(f.cancel());
    p.keep();

    promise<void> q;
    int asked = 0;
    q.set_canceller([&] { return ++asked > 0; });
    const auto g = q.get_future();
    CHECK(g.cancel());
    CHECK(g.cancel());
    CHECK(asked == 2);
    q.fail(std::make_exception_ptr(greenlet_exit{}));
    CHECK_FALSE(g.cancel());
    CHECK(asked == 2);
    CHECK_THROWS_AS(g.wait(), greenlet_exit);
}

TEST_CASE_FIXTURE(clean_end, "an error that nobody was given is told once") {
    {
        promise<int> p;
        const auto f = p.get_future();
        p.fail(std::make_exception_ptr(std::runtime_error("unseen")));
    }
    REQUIRE(reported.size() == 1);
    CHECK(reported[0] ==
          "an exception nobody waited for, of a future: "
          "std::runtime_error: unseen");
    reported.clear();
    {
        promise<int> p;
        const auto f = p.get_future();
        p.fail(std::make_exception_ptr(std::runtime_error("seen")));
        CHECK(f.exception() != nullptr);
    }
    {
        promise<int> p;
        p.fail(std::make_exception_ptr(greenlet_exit{}));
    }
}

TEST_CASE_FIXTURE(clean_end_of_threads,
                  "results come from other threads and go to them") {
    constexpr int rounds = 2000;
    std::vector<future<int>> to_come;
    std::vector<promise<int>> to_keep(rounds);
    for (const auto& p : to_keep) to_come.push_back(p.get_future());
    long from_main = 0, from_thread = 0;
    std::thread keeper([&] {
        for (int i = 0; i < rounds; ++i) to_keep[std::size_t(i)].keep(i);
    });
    std::thread reader([&] {
        for (const auto& f : to_come) from_thread += f.wait();
    });
    for (const auto& f : to_come) from_main += f.wait();
    keeper.join();
    reader.join();
    CHECK(from_main == long{rounds} * (rounds - 1) / 2);
    CHECK(from_thread == from_main);
}

TEST_CASE_FIXTURE(clean_end_of_threads,
                  "the last handle takes what another one has read on its thread") {
    for (int i = 0; i < 500; ++i) {
        detail::promise<std::string> p;
        auto here = p.get_future();
        p.keep(100, 'x');
        std::atomic<bool> go{false};
        std::string seen;
        std::thread other([&, there = here]() mutable {
            while (!go) std::this_thread::yield();
            seen = std::move(there).wait();
            there = {};
        });
        go = true;
        const std::string taken = std::move(here).wait();
        here = {};
        other.join();
        CHECK(taken == seen);
    }
}
