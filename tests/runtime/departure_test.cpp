// departure_test.cpp - a fiber has ended, and what it leaves behind is destroyed on its
// stack: by code that may park, spawn and ask who it is.
//
// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/fiber_local.hpp>
#include <tendril/runtime/greenlet.hpp>
#include <tendril/runtime/hub.hpp>
#include <tendril/runtime/run.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>
#include <tendril/test/virtual_time.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "../support/clean_end.hpp"
#include "../support/other_thread.hpp"
#include <doctest/doctest.h>

using namespace std::chrono_literals;
using namespace tendril;
using test::clean_end;
using test::clean_end_of_threads;
using test::on_other_thread;
using test::virtual_time;

namespace {

// Calls something when it is destroyed, as a result of a fiber is.
class last_words {
  public:
    explicit last_words(std::function<void()> call) : call_(std::move(call)) {}

    last_words(last_words&& other) noexcept
        : call_(std::exchange(other.call_, nullptr)) {}

    last_words& operator=(last_words&&) = delete;

    ~last_words() {
        if (call_) call_();
    }

  private:
    std::function<void()> call_;
};

}  // namespace

TEST_SUITE_BEGIN("runtime/departure");

TEST_CASE_FIXTURE(clean_end, "run() waits for a result whose destructor parks") {
    virtual_time time;
    int said = 0;
    run([&] {
        spawn([&] {
            return last_words([&] {
                tendril::sleep(1h);
                ++said;
                // Something to wait for in its turn.
                spawn([&] { return last_words([&] { yield(), ++said; }); });
                yield();
            });
        });
        yield();
    });
    CHECK(said == 2);
    CHECK(time.passed() == 1h);
}

TEST_CASE_FIXTURE(clean_end, "it does not wait for those that were there before") {
    virtual_time time;
    bool gone = false;
    spawn([&] {
        return last_words([&] {
            tendril::sleep(1h);
            gone = true;
        });
    });
    yield();
    run([] {});
    CHECK_FALSE(gone);
    tendril::sleep(1h);
    CHECK(gone);
}

TEST_CASE_FIXTURE(clean_end, "a run() in such a destructor does not wait for itself") {
    virtual_time time;
    int result = 0;
    spawn([&] { return last_words([&] { result = run([] { return 7; }); }); });
    tendril::sleep(1ms);
    CHECK(result == 7);
}

TEST_CASE_FIXTURE(clean_end_of_threads, "neither does a thread end before it") {
    bool gone = false;
    on_other_thread([&] {
        spawn([&] {
            return last_words([&] {
                for (int turns = 0; turns < 5; ++turns) yield();
                gone = true;
            });
        });
        yield();
    });
    CHECK(gone);
}

TEST_CASE_FIXTURE(clean_end, "such a destructor may ask which fiber it is in") {
    std::uint64_t begun = 0, ended = 0;
    spawn([&] {
        begun = current().id();
        return last_words([&] { ended = current().id(); });
    });
    yield();
    CHECK(begun != 0);
    CHECK(ended == begun);
}

TEST_CASE_FIXTURE(clean_end, "a handle that it keeps stays good, without the result") {
    fiber<int> next;
    any_fiber kept;
    fiber<int> ended = spawn([&] {
        const last_words words([&] { kept = current(); });
        return 1;
    });
    ended.wait();
    CHECK(kept == ended);
    kept = {};
    spawn([&] { return last_words([&] { kept = current(); }); });
    yield();
    REQUIRE(kept);
    next = spawn([] { return 7; });
    CHECK(kept.id() != next.id());
    CHECK(kept.done());
    CHECK(kept.join());
    CHECK(next.wait() == 7);
}

TEST_CASE_FIXTURE(clean_end_of_threads,
                  "links and fiber_locals that park are waited for") {
    static fiber_local<std::optional<last_words>> local;
    int over = 0;
    const auto busy = [&] {
        spawn([&] {
            local.get().emplace([&] { tendril::yield(), ++over; });
        }).link([&] { tendril::yield(), ++over; });
        tendril::yield();
    };
    run(busy);
    CHECK(over == 2);
    on_other_thread(busy);
    CHECK(over == 4);
}

TEST_CASE_FIXTURE(clean_end, "a fiber_local made on the way out is destroyed, too") {
    static fiber_local<std::shared_ptr<int>> local;
    const auto alive = std::make_shared<int>(0);
    spawn([&] { return last_words([&] { local.get() = alive; }); });
    yield();
    CHECK(alive.use_count() == 1);
}

TEST_CASE_FIXTURE(clean_end, "an exception that nobody took may use one as it goes") {
    static fiber_local<std::string> local;

    struct farewell {
        last_words words{[] { local.get() = std::string(100, 'x'); }};
    };

    spawn([] {
        local.get() = "a";
        throw farewell();
    });
    yield();
    CHECK(reported.size() == 1);
    reported.clear();
}

TEST_CASE_FIXTURE(clean_end, "a value that nobody takes may end others as it goes") {
    // It goes to a parent that awaits none; the greenlet in it is dropped then, which
    // switches, and must not keep the parent from its turn.
    struct carrier {
        greenlet<> held;
    };

    greenlet<carrier> giver(
        [] {
            greenlet<> inner([] { greenlet<>::current().parent().switch_to(); });
            inner.switch_to();
            return carrier{std::move(inner)};
        },
        greenlet_ref::current());
    greenlet<> asking([&] { giver.switch_to(carrier{}); });
    asking.switch_to();
    CHECK(giver.dead());
    CHECK_FALSE(asking.dead());
}

TEST_SUITE_END();
