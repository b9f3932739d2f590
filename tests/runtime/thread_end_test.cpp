// What becomes of fibers, callbacks and handles when their thread ends.
// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/fiber.hpp>
#include <tendril/runtime/fiber_local.hpp>
#include <tendril/runtime/greenlet.hpp>
#include <tendril/runtime/hub.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>
#include <tendril/sync/event.hpp>

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "../support/at_end.hpp"
#include "../support/errc_of.hpp"
#include "../support/other_thread.hpp"
#include <doctest/doctest.h>

using namespace std::chrono_literals;
using namespace tendril;
using test::at_end;
using test::clean_end_of_threads;
using test::errc_of;
using test::freed_with_hub;
using test::on_other_thread;

namespace {

// In which time passes whatever happens, as it does in the real one.
struct impatient final : detail::time_source {
    time_point now() noexcept override { return at += 1ms; }

    bool jump(time_point deadline) noexcept override {
        at = deadline;
        return true;
    }

    void slept(duration) noexcept override {}

    time_point at = clock::now();
};

}  // namespace

TEST_SUITE_BEGIN("runtime/hub thread end");

namespace {

// Notes the thread on which it is destroyed.
struct noted_end {
    std::vector<std::thread::id>& ends;

    ~noted_end() { ends.push_back(std::this_thread::get_id()); }
};

}  // namespace

TEST_CASE_FIXTURE(clean_end_of_threads,
                  "what is parked is unwound, on its own thread") {
    std::vector<std::thread::id> ends;
    std::thread::id there;
    std::weak_ptr<int> hub_memory;
    fiber<> parked, unstarted, delayed;
    greenlet<> suspended;
    on_other_thread([&] {
        there = std::this_thread::get_id();
        hub_memory = freed_with_hub();
        parked = spawn([&] {
            const noted_end note{ends};
            tendril::sleep(forever);
        });
        spawn([&] {
            const noted_end note{ends};
            hub::current().switch_out();
        });
        auto me = greenlet<>::current();
        suspended = greenlet<>([&ends, me]() mutable {
            const noted_end note{ends};
            me.switch_to();
        });
        suspended.switch_to();
        yield();
        auto note = std::shared_ptr<noted_end>(new noted_end{ends});
        unstarted = spawn([note = std::move(note)] { FAIL_CHECK("too late"); });
        delayed = spawn_after(1h, [] { FAIL_CHECK("too late"); });
    });
    CHECK(ends == std::vector<std::thread::id>(4, there));
    CHECK(parked.done());
    CHECK_THROWS_AS(parked.wait(), greenlet_exit);
    CHECK_THROWS_AS(unstarted.wait(), greenlet_exit);
    CHECK_THROWS_AS(delayed.wait(), greenlet_exit);
    CHECK(suspended.dead());
    CHECK_FALSE(hub_memory.expired());
    parked = unstarted = delayed = {};
    suspended = {};
    CHECK(hub_memory.expired());
}

TEST_CASE_FIXTURE(clean_end_of_threads,
                  "a result outlives its thread, as long as a handle") {
    std::weak_ptr<int> hub_memory;
    fiber<std::string> f;
    on_other_thread([&] {
        hub_memory = freed_with_hub();
        f = spawn([] { return std::string("from another thread"); });
        f.wait();
    });
    CHECK(f.wait() == "from another thread");
    CHECK_NOTHROW(f.kill());
    CHECK(errc_of([&] { f.cancel(); }) == errc::thread_exited);
    CHECK(errc_of([&] { f.link([] {}); }) == errc::thread_exited);
    CHECK(std::move(f).wait() == "from another thread");
    CHECK_FALSE(hub_memory.expired());
    f = {};
    CHECK(hub_memory.expired());
}

TEST_CASE_FIXTURE(clean_end_of_threads,
                  "a thread's main fiber is done when the thread has ended") {
    std::weak_ptr<int> hub_memory;
    any_fiber its_main;
    on_other_thread([&] {
        hub_memory = freed_with_hub();
        its_main = current();
        CHECK_FALSE(its_main.done());
    });
    CHECK(its_main.done());
    CHECK(its_main.exception() == nullptr);
    CHECK_NOTHROW(its_main.kill());
    CHECK(its_main.join());
    its_main = {};
    CHECK(hub_memory.expired());
}

TEST_CASE_FIXTURE(clean_end_of_threads,
                  "who waits for another thread's main is woken by its end") {
    hub& home = hub::current();
    any_fiber its_main;
    std::jthread other([&] {
        home.post([&, main = current()] {
            its_main = main;
            home.stop();
        });
    });
    home.run_forever();
    its_main.join();
    CHECK(its_main.done());
}

TEST_CASE_FIXTURE(clean_end_of_threads,
                  "a fiber killed before it began does not outlive its thread") {
    std::weak_ptr<int> hub_memory;
    on_other_thread([&] {
        hub_memory = freed_with_hub();
        spawn([] {}).kill();
    });
    CHECK(hub_memory.expired());
}

TEST_CASE_FIXTURE(clean_end_of_threads,
                  "what was to be thrown at a main that is over is dropped") {
    std::weak_ptr<int> hub_memory;
    auto part = std::make_shared<int>(1);
    const std::weak_ptr<int> alive = part;
    on_other_thread([&] {
        hub_memory = freed_with_hub();
        spawn([&, main = current()] { main.kill(std::exchange(part, nullptr)); });
        try {
            // While it unwinds nothing is thrown at it, and it never parks after.
            const at_end let_killer_run{[] { yield(); }};
            throw 1;
        } catch (int) {
            CHECK_FALSE(alive.expired());
        }
        spawn([] { tendril::sleep(forever); });
    });
    CHECK(alive.expired());
    CHECK(hub_memory.expired());
}

TEST_CASE_FIXTURE(clean_end_of_threads,
                  "a destructor that parks while its fiber unwinds is waited for") {
    bool cleaned = false;
    on_other_thread([&] {
        spawn([&] {
            struct slow {
                bool& cleaned;

                ~slow() {
                    tendril::sleep(1us);
                    cleaned = true;
                }
            };

            const slow s{cleaned};
            tendril::sleep(forever);
        });
        yield();
    });
    CHECK(cleaned);
}

TEST_CASE_FIXTURE(clean_end_of_threads,
                  "links and clean-up that spawn more leave nothing") {
    std::weak_ptr<int> hub_memory;
    int ran = 0;
    on_other_thread([&] {
        hub_memory = freed_with_hub();
        auto f = spawn([] { tendril::sleep(forever); });
        f.link([&] {
            ++ran;
            spawn([&] {
                ++ran;
                tendril::sleep(forever);
            });
        });
        yield();
    });
    CHECK(ran == 1);  // what is spawned that late never starts
    CHECK(hub_memory.expired());
}

TEST_CASE_FIXTURE(clean_end_of_threads,
                  "a fiber that will not die is reported, and its thread ends") {
    static impatient time;
    for (void (*const wait)() : {+[] { tendril::sleep(forever); }, +[] { yield(); }}) {
        fiber<> immortal;
        std::atomic<int>* on_its_stack = nullptr;
        int linked = 0;
        on_other_thread([&] {
            hub_internals::set_time_source(hub::current(), &time);
            immortal = spawn([wait, &on_its_stack] {
                std::atomic<int> value{42};
                on_its_stack = &value;
                for (;;) {
                    try {
                        wait();
                    } catch (const greenlet_exit&) {
                    }
                }
            });
            immortal.link([&] { ++linked; });
            yield();
        });
        CHECK(linked == 1);
        REQUIRE(reported.size() == 1);
        CHECK(reported[0].starts_with("thread end: tendril::fiber_error: "));
        CHECK(reported[0].find("thread_end_test.cpp") != std::string::npos);
        reported.clear();
        // Who waits for it on another thread is told.
        CHECK(errc_of([&] { immortal.wait(); }) == errc::thread_exited);
        // Others may still use what is on it.
        immortal = {};
        CHECK(on_its_stack->load() == 42);
    }
}

TEST_CASE_FIXTURE(clean_end_of_threads,
                  "what is left behind and does not end is reported, too") {
    struct stubborn {
        bool on = true;

        stubborn() = default;

        stubborn(stubborn&& other) noexcept : on(std::exchange(other.on, false)) {}

        ~stubborn() {
            while (on) yield();
        }
    };

    on_other_thread([&] {
        static impatient time;
        hub_internals::set_time_source(hub::current(), &time);
        spawn([] { return stubborn(); });
        yield();
    });
    REQUIRE(reported.size() == 1);
    CHECK(reported[0].find("ended, but not what it left behind") != std::string::npos);
    reported.clear();
}

TEST_CASE_FIXTURE(clean_end_of_threads,
                  "a fiber that has been given up never runs again") {
    // By then its thread's last destructors run, which may wake it.
    struct late_sender {
        std::function<void()> f;

        ~late_sender() {
            if (f) f();
        }
    };

    static fiber_local<late_sender> at_end_of_main;
    auto news = std::make_unique<event<>>();
    bool went_on = false;
    for (const bool in_a_link : {true, false}) {
        on_other_thread([&] {
            static impatient time;
            hub_internals::set_time_source(hub::current(), &time);
            at_end_of_main.get().f = [&] {
                news->send();
                yield();
                yield();
            };
            const auto wait = [&] {
                for (bool woken = false; !woken;) {
                    try {
                        news->wait();
                        woken = true;
                    } catch (const greenlet_exit&) {
                    }
                }
                went_on = true;
            };
            auto f = spawn([in_a_link, wait] { in_a_link ? yield() : wait(); });
            if (in_a_link) f.link(wait);
            yield();
            yield();
        });
        CHECK_FALSE(went_on);
        REQUIRE(reported.size() == 1);
        reported.clear();
        news = std::make_unique<event<>>();
    }
}

TEST_CASE_FIXTURE(clean_end_of_threads, "fibers spawned by the last code of all end") {
    struct parting {
        std::function<void()> f;

        ~parting() {
            if (f) f();
        }
    };

    static fiber_local<parting> local;
    fiber<> late;
    auto held = std::make_shared<int>(0);
    on_other_thread([&] { local.get().f = [&] { late = spawn([held] {}); }; });
    CHECK(late.done());
    late = {};
    CHECK(held.use_count() == 1);
}

TEST_CASE_FIXTURE(clean_end_of_threads,
                  "a hub made while its thread ends closes like any other") {
    struct late {
        explicit late(std::weak_ptr<int>& made) : made(made) {}

        late(const late&) = delete;
        late& operator=(const late&) = delete;

        ~late() { made = freed_with_hub(); }

        std::weak_ptr<int>& made;
    };

    std::weak_ptr<int> second;
    std::thread([&] {
        // Made before the first hub, it is destroyed after that has closed.
        thread_local std::optional<late> at_end;
        at_end.emplace(second);
        hub::current();
    }).join();
    CHECK(second.expired());
}

TEST_CASE_FIXTURE(clean_end_of_threads,
                  "what is posted to a hub that has ended does not run in the next") {
    bool ran = false;

    struct poster {
        std::function<void()> f;

        ~poster() {
            if (f) f();
        }
    };

    std::thread([&] {
        auto first = std::make_shared<poster>();
        first->f = [&] {
            auto second = std::make_shared<poster>();
            second->f = [] { hub::current(); };
            hub::current().post([second = std::move(second)] {});
            hub::current().post([&] { ran = true; });
        };
        hub::current().call_later(1h, [first = std::move(first)] {});
    }).join();
    CHECK_FALSE(ran);
}

TEST_SUITE_END();
