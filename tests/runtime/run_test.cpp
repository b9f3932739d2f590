// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/greenlet.hpp>
#include <tendril/runtime/hub.hpp>
#include <tendril/runtime/run.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>
#include <tendril/runtime/timeout.hpp>
#include <tendril/test/virtual_time.hpp>

#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>

#include "../support/clean_end.hpp"
#include <doctest/doctest.h>

using namespace std::chrono_literals;
using namespace tendril;
using test::clean_end;
using test::virtual_time;

TEST_SUITE_BEGIN("runtime/run");

namespace {

// Adds `name` to `log` when its fiber is unwound.
struct noted_end {
    std::string& log;
    char name;

    ~noted_end() { log += name; }
};

}  // namespace

TEST_CASE_FIXTURE(clean_end, "run() is f's value") {
    CHECK(run([] { return 42; }) == 42);
    CHECK(*run([] { return std::make_unique<int>(7); }) == 7);
    int n = 0;
    CHECK(&run([&]() -> int& { return n; }) == &n);
    run([&] { n = 3; });
    CHECK(n == 3);
}

TEST_CASE_FIXTURE(clean_end, "run() throws what f throws") {
    CHECK_THROWS_WITH_AS(run([] { throw std::runtime_error("f failed"); }), "f failed",
                         std::runtime_error);
}

TEST_CASE_FIXTURE(clean_end,
                  "what is left over is killed, and its clean-up waited for") {
    virtual_time time;
    std::string log;
    run([&] {
        spawn([&] {
            const noted_end end{log, 'a'};
            tendril::sleep(forever);
        });
        spawn([&] {
            try {
                tendril::sleep(forever);
            } catch (const greenlet_exit&) {
                tendril::sleep(2s);
                log += 'b';
            }
        });
        spawn_after(1h, [&] { log += "never"; });
        yield();
        log += "f,";
    });
    CHECK(log == "f,ab");
    CHECK(time.passed() == 2s);
    CHECK(hub::current().live_fibers() == 0);
}

TEST_CASE_FIXTURE(clean_end, "what leftovers spawn while they clean up is ended, too") {
    std::string log;
    run([&] {
        spawn([&] {
            try {
                tendril::sleep(forever);
            } catch (const greenlet_exit&) {
                log += 'a';
                spawn([&] { log += "unstarted"; });
                spawn([&] {
                    const noted_end end{log, 'b'};
                    tendril::sleep(forever);
                });
                yield();
                throw;
            }
        });
        yield();
    });
    CHECK(log == "aunstartedb");
    CHECK(hub::current().live_fibers() == 0);
}

TEST_CASE_FIXTURE(clean_end, "what was there before stays, and what nobody started") {
    virtual_time time;
    auto before = spawn([] { tendril::sleep(1s); });
    const auto main = greenlet<>::current();
    greenlet<> unstarted;
    run([&] {
        unstarted = greenlet<>([] {}, main);
        yield();
    });
    CHECK_FALSE(before.done());
    CHECK_FALSE(unstarted.dead());
    before.wait();
    unstarted.switch_to();
    CHECK(unstarted.dead());
}

TEST_CASE_FIXTURE(clean_end, "a greenlet left suspended or asleep is unwound") {
    std::string log;
    greenlet<> suspended, asleep;
    run([&] {
        auto me = greenlet<>::current();
        suspended = greenlet<>([&log, me]() mutable {
            const noted_end end{log, 's'};
            me.switch_to();
        });
        suspended.switch_to();
        asleep = greenlet<>([&] {
            const noted_end end{log, 'a'};
            tendril::sleep(forever);
        });
        spawn([&] { asleep.switch_to(); });
        yield();
    });
    CHECK(log == "sa");
    CHECK(suspended.dead());
    CHECK(asleep.dead());
}

TEST_CASE_FIXTURE(clean_end, "the inner of two run()s ends only what was made in it") {
    virtual_time time;
    std::string log;
    run([&] {
        spawn([&] {
            const noted_end end{log, 'o'};
            tendril::sleep(forever);
        });
        yield();
        run([&] {
            spawn([&] {
                const noted_end end{log, 'i'};
                tendril::sleep(forever);
            });
            yield();
        });
        CHECK(log == "i");
    });
    CHECK(log == "io");
}

TEST_CASE_FIXTURE(clean_end,
                  "a kill of its caller ends f and the leftovers, and is thrown then") {
    std::string log;
    auto caller = spawn([&] {
        run([&] {
            spawn([&] {
                const noted_end end{log, 'l'};
                tendril::sleep(forever);
            });
            const noted_end end{log, 'f'};
            tendril::sleep(forever);
        });
        log += "never";
    });
    yield();
    yield();
    caller.kill(std::runtime_error("stop"));
    CHECK_THROWS_WITH_AS(caller.wait(), "stop", std::runtime_error);
    CHECK(log == "fl");
}

TEST_CASE_FIXTURE(clean_end,
                  "a second kill of its caller leaves nothing behind either") {
    virtual_time time;
    std::string log;
    auto caller = spawn([&] {
        run([&] {
            spawn([&] {
                try {
                    tendril::sleep(forever);
                } catch (const greenlet_exit&) {
                    tendril::sleep(1s);
                    log += 'l';
                }
            });
            const noted_end end{log, 'f'};
            tendril::sleep(forever);
        });
    });
    yield();
    yield();
    hub::current().call_soon([&] {
        caller.kill(1);
        caller.kill(2);
        caller.kill(3);
    });
    CHECK_THROWS_AS(caller.wait(), int);
    CHECK(log == "fl");
    CHECK(hub::current().live_fibers() == 0);
}

TEST_CASE_FIXTURE(clean_end, "a scope around it runs out: f ends first") {
    virtual_time time;
    std::string log;
    CHECK_FALSE(timeout::silent(1s, [&] {
        run([&] {
            const noted_end end{log, 'f'};
            tendril::sleep(forever);
        });
    }));
    CHECK(log == "f");
    CHECK(time.passed() == 1s);
}

TEST_CASE_FIXTURE(clean_end, "a leftover that fails while it is ended is reported") {
    CHECK(run([] {
              spawn([] {
                  try {
                      tendril::sleep(forever);
                  } catch (const greenlet_exit&) {
                      throw std::runtime_error("clean-up failed");
                  }
              });
              yield();
              return 1;
          }) == 1);
    REQUIRE(reported.size() == 1);
    CHECK(reported[0].ends_with("std::runtime_error: clean-up failed"));
    reported.clear();
}

TEST_CASE_FIXTURE(clean_end, "in a hub callback it is refused, and f never runs") {
    bool ran = false;
    errc code{};
    hub::current().call_soon([&] {
        try {
            run([&] { ran = true; });
        } catch (const fiber_error& e) {
            code = e.code();
        }
    });
    yield();
    yield();
    CHECK(code == errc::in_hub);
    CHECK_FALSE(ran);
}

TEST_CASE_FIXTURE(clean_end,
                  "each kill that comes is passed on, and blamed on nobody") {
    int kills = 0;
    auto outer = spawn([&] {
        run([&] {
            while (kills < 2) {
                try {
                    tendril::sleep(forever);
                } catch (const greenlet_exit&) {
                    ++kills;
                }
            }
            yield();
        });
    });
    yield();
    yield();
    outer.kill();
    outer.kill();
    outer.join();
    CHECK(kills == 2);
    CHECK(reported.empty());
}

TEST_SUITE_END();
