// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/hub.hpp>
#include <tendril/runtime/park.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>
#include <tendril/runtime/timeout.hpp>
#include <tendril/test/virtual_time.hpp>

#include <chrono>
#include <string>
#include <thread>
#include <utility>

#include "../support/other_thread.hpp"
#include <doctest/doctest.h>

using namespace std::chrono_literals;
using namespace tendril;
using test::clean_end;
using test::clean_end_of_threads;
using test::virtual_time;

TEST_SUITE_BEGIN("runtime/park");

namespace {

// The smallest primitive there can be: one fiber waits, one grants.
class slot {
  public:
    explicit slot(bool carries = false) : carries_(carries) {}

    // Whether it was granted before `deadline`.
    bool wait(time_point deadline = never) {
        waits w(*this);
        waiter_ = &w;
        return detail::park_until(w, deadline);
    }

    // What every waker does: take the waiter out of its place, so that nobody else can.
    detail::waiter* take() { return std::exchange(waiter_, nullptr); }

    void grant() { detail::wake(*take()); }

    bool waited_for() const { return waiter_ != nullptr; }

  private:
    struct waits final : detail::waiter {
        explicit waits(slot& s) : waiter(leave, "a slot", s.carries_), place(s) {}

        static bool leave(detail::waiter& w) noexcept {
            return static_cast<waits&>(w).place.take() != nullptr;
        }

        slot& place;
    };

    bool carries_;
    detail::waiter* waiter_ = nullptr;
};

}  // namespace

TEST_CASE_FIXTURE(clean_end,
                  "a woken fiber returns from park, a killed one throws out of it") {
    slot a, b;
    std::string order;
    auto woken = spawn([&] { order += a.wait() ? 'w' : '-'; });
    auto killed = spawn([&] { b.wait(); });
    yield();
    a.grant();
    killed.kill();
    CHECK_FALSE(b.waited_for());
    woken.wait();
    CHECK_THROWS_AS(killed.wait(), greenlet_exit);
    CHECK(order == "w");
}

TEST_CASE_FIXTURE(
    clean_end,
    "a grant on its way is received, and the kill is thrown at the next park") {
    slot s(true);
    std::string order;
    auto f = spawn([&] {
        s.wait();
        order += "granted,";
        yield();
        order += "never";
    });
    yield();
    s.grant();
    f.kill();
    CHECK_THROWS_AS(f.wait(), greenlet_exit);
    CHECK(order == "granted,");
}

TEST_CASE_FIXTURE(clean_end, "a wake that carries nothing does not hold a kill up") {
    slot s(false);
    bool returned = false;
    auto f = spawn([&] {
        s.wait();
        returned = true;
    });
    yield();
    s.grant();
    f.kill();
    CHECK_THROWS_AS(f.wait(), greenlet_exit);
    CHECK_FALSE(returned);
}

TEST_CASE_FIXTURE(
    clean_end, "an exception that is due already is thrown before the fiber leaves") {
    slot s;
    fiber<> f;
    std::string order;
    f = spawn([&] {
        hub::current().call_soon([&] { f.kill(1); });
        hub::current().call_soon([&] { f.kill(2); });
        try {
            yield();
        } catch (int) {
            order += "first,";
        }
        try {
            s.wait();
        } catch (int) {
            order += s.waited_for() ? '-' : '2';
        }
    });
    f.wait();
    CHECK(order == "first,2");
}

TEST_CASE_FIXTURE(clean_end,
                  "a deadline and a grant in one turn: exactly one of them counts") {
    virtual_time time;
    hub& h = hub::current();
    for (const bool grant_first : {true, false}) {
        slot s(true);
        bool granted = false;
        timer grant;
        auto arm = [&] {
            grant = h.call_later(1s, [&] {
                if (s.waited_for()) s.grant();
            });
        };
        if (grant_first) arm();
        auto f = spawn([&] { granted = s.wait(h.now() + 1s); });
        yield();
        if (!grant_first) arm();
        f.wait();
        CHECK(granted == grant_first);
        tendril::sleep(1s);
    }
}

TEST_CASE_FIXTURE(clean_end, "park_until leaves no timer behind, however it ends") {
    virtual_time time;
    hub& h = hub::current();
    slot s;
    fiber<> f;
    h.call_later(1s, [&] { s.grant(); });
    h.call_later(3s, [&] { f.kill(1); });
    f = spawn([&] {
        CHECK(s.wait(h.now() + 1h));
        CHECK(h.armed_timers() == 1);
        CHECK_FALSE(s.wait(h.now() + 1s));
        CHECK(h.armed_timers() == 1);
        CHECK_THROWS_AS(s.wait(h.now() + 1h), int);
        CHECK(h.armed_timers() == 0);
    });
    f.wait();
}

TEST_CASE_FIXTURE(clean_end, "nothing is thrown at a fiber until it has unwound") {
    slot s;
    std::string order;
    auto f = spawn([&] {
        struct parks {
            slot& s;
            std::string& order;

            ~parks() {
                s.wait();
                order += "woken,";
            }
        };

        try {
            const parks p{s, order};
            throw 1;
        } catch (int) {
            order += "caught,";
        }
        yield();
        order += "never";
    });
    yield();
    f.kill();
    CHECK(s.waited_for());
    s.grant();
    CHECK_THROWS_AS(f.wait(), greenlet_exit);
    CHECK(order == "woken,caught,");
}

TEST_CASE_FIXTURE(clean_end_of_threads,
                  "a wake from another thread arrives, its fiber's hub asleep") {
    slot s;
    std::thread waker;
    hub& home = hub::current();
    auto f = spawn([&] {
        waker = std::thread([&] {
            // Only once the hub has opened this does the fiber stand parked.
            home.post([&] {
                detail::waiter* const w = s.take();
                std::thread([w] { detail::wake(*w); }).join();
            });
        });
        return s.wait();
    });
    CHECK(f.wait());
    waker.join();
}

TEST_CASE_FIXTURE(clean_end_of_threads,
                  "a kill that comes after another thread's wake waits its turn") {
    slot s(true);
    std::string order;
    auto f = spawn([&] {
        s.wait();
        order += "granted,";
        yield();
        order += "never";
    });
    yield();
    detail::waiter* const w = s.take();
    std::thread([w] { detail::wake(*w); }).join();
    // The wake is in the mailbox; the fiber is parked still, and the waiter is gone.
    f.kill();
    CHECK_THROWS_AS(f.wait(), greenlet_exit);
    CHECK(order == "granted,");
}

TEST_CASE_FIXTURE(clean_end, "nobody may park on the hub's own stack") {
    slot s;
    std::string text;
    hub::current().call_soon([&] {
        try {
            s.wait();
        } catch (const fiber_error& e) {
            CHECK(e.code() == errc::in_hub);
            text = e.what();
        }
    });
    yield();
    CHECK(text ==
          "a hub callback would have to wait for a slot; callbacks must not block, "
          "spawn a fiber from them instead");
}

TEST_SUITE_END();
