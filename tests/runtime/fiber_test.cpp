// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/fiber.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>
#include <tendril/test/virtual_time.hpp>

#include <chrono>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>
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

TEST_SUITE_BEGIN("runtime/fiber");

namespace {

struct disk_error : std::runtime_error {
    explicit disk_error(int sector) : runtime_error("disk"), sector(sector) {}

    int sector;
};

}  // namespace

TEST_CASE_FIXTURE(clean_end,
                  "wait() is the result, any number of times, for any number") {
    auto f = spawn([] {
        yield();
        return std::string("forty-two");
    });
    std::string heard;
    std::vector<fiber<>> waiters;
    for (int i = 0; i < 10; ++i) {
        waiters.push_back(spawn([&] { heard += f.wait() == "forty-two" ? '+' : '-'; }));
    }
    for (const auto& w : waiters) w.wait();
    CHECK(heard == "++++++++++");
    CHECK(f.wait() == "forty-two");
    CHECK(f.done());
}

TEST_CASE_FIXTURE(clean_end, "waiters are woken in the order in which they came") {
    std::string order;
    auto f = spawn([] { yield(); });
    std::vector<fiber<>> waiters;
    for (char c = 'a'; c <= 'f'; ++c) {
        waiters.push_back(spawn([&, c] {
            f.wait();
            order += c;
        }));
    }
    for (const auto& w : waiters) w.wait();
    CHECK(order == "abcdef");
}

TEST_CASE_FIXTURE(clean_end, "an exception reaches every waiter with its type") {
    auto f = spawn([]() -> int { throw disk_error(7); });
    int sectors = 0;
    auto other = spawn([&] {
        try {
            f.wait();
        } catch (const disk_error& e) {
            sectors += e.sector;
        }
    });
    for (int i = 0; i < 2; ++i) {
        try {
            f.wait();
        } catch (const disk_error& e) {
            sectors += e.sector;
        }
    }
    other.wait();
    CHECK(sectors == 21);
    CHECK(f.done());
    REQUIRE(f.exception() != nullptr);
    CHECK_THROWS_AS(std::rethrow_exception(f.exception()), disk_error);
}

TEST_CASE_FIXTURE(clean_end, "what is thrown need not be a std::exception") {
    CHECK_THROWS_AS(spawn([] { throw 42; }).wait(), int);
    CHECK_THROWS_AS(spawn([] { throw greenlet_exit{}; }).wait(), greenlet_exit);
}

TEST_CASE_FIXTURE(clean_end, "a result that can only be moved is moved out, once") {
    auto f = spawn([] { return std::make_unique<int>(5); });
    CHECK(*f.wait() == 5);
    const std::unique_ptr<int> mine = std::move(f).wait();
    CHECK(*mine == 5);
    CHECK(*spawn([] { return std::make_unique<int>(6); }).wait() == 6);
}

TEST_CASE_FIXTURE(clean_end, "a reference result is that very object") {
    int n = 1;
    auto f = spawn([&]() -> int& { return n; });
    static_assert(std::is_same_v<decltype(f.wait()), int&>);
    f.wait() = 2;
    CHECK(n == 2);
    const int& c = spawn([&]() -> const int& { return n; }).wait();
    CHECK(&c == &n);
}

TEST_CASE_FIXTURE(clean_end, "a handle that goes away leaves the others their result") {
    const std::string text(100, 'x');
    auto f = spawn([&] { return text; });
    fiber<std::string> copy = f;
    f.join();
    yield();
    CHECK(std::move(copy).wait() == text);
    CHECK(f.wait() == text);
    CHECK(std::move(f).wait() == text);
}

TEST_CASE_FIXTURE(clean_end, "copies are the same fiber") {
    auto f = spawn([] {});
    const any_fiber copy = f;
    const any_fiber none;
    CHECK(copy == f);
    CHECK(copy.id() == f.id());
    CHECK_FALSE(none == f);
    CHECK(none.id() == 0);
    CHECK(static_cast<bool>(f));
    CHECK_FALSE(static_cast<bool>(none));
    const any_fiber moved = std::move(f);
    CHECK(moved == copy);
    CHECK_FALSE(static_cast<bool>(f));  // NOLINT(bugprone-use-after-move): it is empty
    moved.join();
}

TEST_CASE_FIXTURE(clean_end,
                  "an empty handle answers every question with fiber_error") {
    const any_fiber none;
    for (const auto& use : std::vector<std::function<void()>>{
             [&] { none.join(); }, [&] { (void)none.done(); }, [&] { none.kill(); },
             [&] { none.cancel(); }, [&] { (void)none.exception(); },
             [&] { none.link([] {}); }, [&] { none.unlink(1); },
             [&] { (void)none.name(); }, [&] { fiber<int>().wait(); },
             [&] { any_fiber(none).set_name("x"); }}) {
        CHECK(errc_of(use) == errc::dead);
    }
}

TEST_CASE_FIXTURE(clean_end, "a fiber that waits for its own end is told so") {
    auto f = spawn([] { current().join(); });
    CHECK(errc_of([&] { f.wait(); }) == errc::bad_argument);
    CHECK(errc_of([] { current().join(); }) == errc::bad_argument);
}

TEST_CASE_FIXTURE(clean_end, "join() with a deadline gives up then, and only then") {
    virtual_time time;
    const hub& h = hub::current();
    auto f = spawn([] { tendril::sleep(3s); });
    CHECK_FALSE(f.join(h.now() + 1s));
    CHECK(time.passed() == 1s);
    CHECK_FALSE(f.join(h.now()));
    CHECK_FALSE(f.join(h.now() - 1h));
    CHECK(time.passed() == 1s);
    CHECK(f.join(h.now() + 1h));
    CHECK(time.passed() == 3s);
    CHECK(f.join(h.now() - 1h));
}

TEST_CASE_FIXTURE(clean_end, "one waiter's time limit leaves the others in line") {
    virtual_time time;
    auto f = spawn([] { tendril::sleep(5s); });
    std::string order;
    auto patient = spawn([&] { order += f.join() ? 'p' : '-'; });
    auto hasty = spawn([&] { order += f.join(hub::current().now() + 1s) ? '-' : 'h'; });
    auto last = spawn([&] { order += f.join() ? 'l' : '-'; });
    for (const auto* w : {&patient, &hasty, &last}) w->wait();
    CHECK(order == "hpl");
}

TEST_CASE_FIXTURE(clean_end,
                  "a killed waiter leaves the fiber and the others as they are") {
    auto f = spawn([] {
        yield();
        yield();
        return 1;
    });
    auto victim = spawn([&] { f.wait(); });
    auto other = spawn([&] { return f.wait(); });
    yield();
    victim.kill();
    CHECK_THROWS_AS(victim.wait(), greenlet_exit);
    CHECK(other.wait() == 1);
}

TEST_CASE_FIXTURE(clean_end, "dropping the last handle kills nothing") {
    virtual_time time;
    bool ended = false;
    spawn([&] {
        tendril::sleep(1s);
        ended = true;
    });
    tendril::sleep(2s);
    CHECK(ended);
}

TEST_CASE_FIXTURE(clean_end, "an exception nobody was given goes to the hook, once") {
    auto f = spawn({.name = "lonely"}, [] { throw disk_error(1); });
    auto copy = f;
    f.join();
    f = {};
    CHECK(reported.empty());
    const std::string id = std::to_string(copy.id());
    copy = {};
    REQUIRE(reported.size() == 1);
    CHECK(reported[0].starts_with("an exception nobody waited for, of fiber " + id +
                                  " 'lonely' (made at "));
    reported.clear();
}

TEST_CASE_FIXTURE(clean_end, "so does that of a fiber without handles, when it ends") {
    spawn([] { throw disk_error(1); });
    auto f = spawn([] { throw disk_error(2); });
    f.link([f] { CHECK(f.done()); });
    f = {};
    yield();
    CHECK(reported.size() == 2);
    reported.clear();
}

TEST_CASE_FIXTURE(clean_end, "an exception that somebody was given goes to no hook") {
    auto waited = spawn([] { throw disk_error(1); });
    CHECK_THROWS_AS(waited.wait(), disk_error);
    auto asked = spawn([] { throw disk_error(1); });
    asked.join();
    CHECK(asked.exception() != nullptr);
    spawn([] { throw greenlet_exit{}; });
    yield();
}

TEST_CASE_FIXTURE(clean_end, "a result is destroyed with the last handle, not before") {
    auto shared = std::make_shared<int>(1);
    const std::weak_ptr<int> alive = shared;
    auto f = spawn([&] { return std::move(shared); });
    f.join();
    yield();
    CHECK_FALSE(alive.expired());
    f = {};
    CHECK(alive.expired());
}

TEST_CASE_FIXTURE(clean_end, "a handle may go, or change, while it is waited on") {
    for (const bool reassigned : {false, true}) {
        auto f = spawn([] { yield(), yield(); });
        const auto other = spawn([] {});
        auto waiter = spawn([&] { return errc_of([&] { f.wait(); }); });
        auto joiner = spawn([&] { return f.join(); });
        yield();
        f = reassigned ? other : fiber<>();
        CHECK(waiter.wait() == errc::dead);
        CHECK(joiner.wait());
    }
}

TEST_CASE_FIXTURE(clean_end, "a result that nobody wants may park in its destructor") {
    virtual_time time;

    struct polite {
        explicit polite(std::string& log) : log(&log) {}

        polite(polite&& other) noexcept : log(std::exchange(other.log, nullptr)) {}

        ~polite() {
            if (log == nullptr) return;
            tendril::sleep(1s);
            *log += "bye";
        }

        std::string* log;
    };

    std::string log;
    spawn([&] { return polite(log); });
    yield();
    // It stands on its stack still, so these must not be given it.
    for (int i = 0; i < 10; ++i) spawn([] { tendril::sleep(500ms); });
    tendril::sleep(2s);
    CHECK(log == "bye");
}

TEST_SUITE_END();
