// task_group_test.cpp - what asyncio's TaskGroup does, sentence by sentence.
//
// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/cancel.hpp>
#include <tendril/runtime/error.hpp>
#include <tendril/runtime/hub.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>
#include <tendril/runtime/timeout.hpp>
#include <tendril/sync/exception_group.hpp>
#include <tendril/sync/task_group.hpp>
#include <tendril/test/virtual_time.hpp>

#include <chrono>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "../support/clean_end.hpp"
#include "../support/errc_of.hpp"
#include "../support/group_of.hpp"
#include "../support/other_thread.hpp"
#include <doctest/doctest.h>

using namespace std::chrono_literals;
using namespace tendril;
using test::clean_end;
using test::clean_end_of_threads;
using test::errc_of;
using test::fail_with;
using test::group_of;
using test::virtual_time;

TEST_SUITE_BEGIN("sync/task_group");

TEST_CASE_FIXTURE(clean_end,
                  "run comes back when the body and all members have ended") {
    const virtual_time from_here;
    const time_point begin = hub::current().now();
    int ended = 0;
    task_group g;
    const int result = g.run([&] {
        g.spawn([&] {
            sleep(2s);
            ++ended;
        });
        g.spawn(
            [&](duration d) {
                sleep(d);
                ++ended;
            },
            3s);
        CHECK(g.running() == 2);
        sleep(1s);
        return 5;
    });
    CHECK(result == 5);
    CHECK(ended == 2);
    CHECK(g.running() == 0);
    CHECK(hub::current().now() - begin == 3s);
}

TEST_CASE_FIXTURE(clean_end, "a group without members is its body") {
    task_group g;
    CHECK(*g.run([] { return std::make_unique<int>(3); }) == 3);
    int target = 0;
    task_group h;
    h.run([&]() -> int& { return target; }) = 4;
    CHECK(target == 4);
}

TEST_CASE_FIXTURE(clean_end, "a member that fails cancels the others and the body") {
    const virtual_time from_here;
    const time_point begin = hub::current().now();
    bool sibling_cancelled = false, body_cancelled = false;
    fiber<> failed;
    task_group g;
    const auto run = [&] {
        g.run([&] {
            g.spawn([&] {
                try {
                    sleep(1h);
                } catch (const cancelled&) {
                    sibling_cancelled = true;
                    throw;
                }
            });
            failed = g.spawn([] {
                sleep(1s);
                fail_with("first");
            });
            try {
                sleep(2h);
            } catch (const cancelled&) {
                body_cancelled = true;
                throw;
            }
        });
    };
    CHECK(group_of(run) == "1 exception: std::runtime_error: first");
    CHECK(sibling_cancelled);
    CHECK(body_cancelled);
    CHECK(hub::current().now() - begin == 1s);
    CHECK_THROWS_WITH_AS(failed.wait(), "first", std::runtime_error);
}

TEST_CASE_FIXTURE(clean_end, "every error is kept and the newest member ends first") {
    const virtual_time from_here;
    task_group g;
    const auto run = [&] {
        g.run([&] {
            for (const char* text : {"a", "b"}) {
                g.spawn([text] {
                    try {
                        sleep(1h);
                    } catch (const cancelled&) {
                        fail_with(text);
                    }
                });
            }
            yield();
            fail_with("body");
        });
    };
    CHECK(group_of(run) ==
          "3 exceptions: std::runtime_error: body; "
          "std::runtime_error: b; std::runtime_error: a");
}

TEST_CASE_FIXTURE(clean_end, "cancelled work cannot hang in its clean-up") {
    const virtual_time from_here;
    const time_point begin = hub::current().now();
    int throws = 0;
    task_group g;
    const auto run = [&] {
        g.run([&] {
            g.spawn([&] {
                for (int i = 0; i < 3; ++i) {
                    try {
                        sleep(1h);
                    } catch (const cancelled&) {
                        ++throws;
                    }
                }
            });
            yield();
            fail_with("over");
        });
    };
    CHECK(group_of(run) == "1 exception: std::runtime_error: over");
    CHECK(throws == 3);
    CHECK(hub::current().now() == begin);
}

TEST_CASE_FIXTURE(clean_end, "members that have not begun when it fails never do") {
    bool ran = false;
    fiber<> unstarted;
    task_group g;
    const auto run = [&] {
        g.run([&] {
            unstarted = g.spawn([&] { ran = true; });
            fail_with("at once");
        });
    };
    CHECK(group_of(run) == "1 exception: std::runtime_error: at once");
    CHECK_FALSE(ran);
    CHECK_THROWS_AS(unstarted.wait(), greenlet_exit);
    yield();  // it keeps its place in line until then
}

TEST_CASE_FIXTURE(clean_end, "a member that is killed alone just ends") {
    const virtual_time from_here;
    bool sibling_done = false;
    task_group g;
    g.run([&] {
        auto killed = g.spawn([] { sleep(forever); });
        g.spawn([&] {
            sleep(1s);
            sibling_done = true;
        });
        yield();
        killed.kill();
        auto unstarted = g.spawn([] { sleep(forever); });
        unstarted.kill();
        CHECK(g.running() == 1);
    });
    CHECK(sibling_done);
    yield();
}

TEST_CASE_FIXTURE(clean_end, "a kill of the caller ends the members first") {
    const virtual_time from_here;
    int cleaned = 0;
    int cleaned_at_end = -1;
    auto caller = spawn([&] {
        task_group g;
        try {
            g.run([&] {
                for (int i = 0; i < 2; ++i) {
                    g.spawn([&] {
                        try {
                            sleep(forever);
                        } catch (const cancelled&) {
                            const uninterrupted here;
                            sleep(1s);
                            ++cleaned;
                            throw;
                        }
                    });
                }
            });
        } catch (const greenlet_exit&) {
            cleaned_at_end = cleaned;
            throw;
        }
    });
    yield();
    yield();
    caller.kill();
    caller.kill();  // while it waits for them
    caller.join();
    CHECK(cleaned_at_end == 2);
}

TEST_CASE_FIXTURE(clean_end, "a kill is not lost when members fail because of it") {
    const virtual_time from_here;
    bool group_seen = false, went_on = false;
    auto caller = spawn([&] {
        task_group g;
        try {
            g.run([&] {
                g.spawn([] {
                    try {
                        sleep(forever);
                    } catch (const cancelled&) {
                        fail_with("clean-up");
                    }
                });
            });
        } catch (const exception_group& e) {
            group_seen = e.contains<std::runtime_error>();
        }
        yield();
        went_on = true;
    });
    yield();
    yield();
    caller.kill();
    caller.join();
    CHECK(group_seen);
    CHECK_FALSE(went_on);
}

TEST_CASE_FIXTURE(clean_end, "a timeout further out ends the members and is thrown") {
    const virtual_time from_here;
    bool member_ended = false;
    task_group g;
    const auto inside = [&] {
        struct note {
            bool& ended;
            ~note() { ended = true; }
        };
        g.spawn([&] {
            const note at_end{member_ended};
            sleep(forever);
        });
    };
    bool seen = false;
    timeout limit(1s);
    try {
        g.run(inside);
    } catch (const timed_out& t) {
        seen = t.from(limit);
    }
    CHECK(seen);
    CHECK(member_ended);

    task_group h;
    CHECK_FALSE(
        move_on_after(1s, [&] { h.run([&] { h.spawn([] { sleep(forever); }); }); }));
    CHECK(h.running() == 0);
}

TEST_CASE_FIXTURE(clean_end,
                  "members spawn more into a group whose body has returned") {
    const virtual_time from_here;
    std::vector<int> order;
    task_group g;
    g.run([&] {
        g.spawn([&] {
            sleep(1s);
            order.push_back(1);
            g.spawn([&] {
                sleep(1s);
                order.push_back(2);
            });
        });
    });
    CHECK(order == std::vector{1, 2});
}

TEST_CASE_FIXTURE(clean_end,
                  "spawning before or after or into a cancelled group is an error") {
    task_group g;
    CHECK(errc_of([&] { g.spawn([] {}); }) == errc::closed);
    std::optional<errc> in_cancelled;
    const auto run = [&] {
        g.run([&] {
            g.spawn([&] {
                try {
                    sleep(forever);
                } catch (const cancelled&) {
                    in_cancelled = errc_of([&] { g.spawn([] {}); });
                    throw;
                }
            });
            yield();
            fail_with("over");
        });
    };
    CHECK(group_of(run) == "1 exception: std::runtime_error: over");
    CHECK(in_cancelled == errc::closed);
    CHECK(errc_of([&] { g.spawn([] {}); }) == errc::closed);
    CHECK(errc_of([&] { g.run([] {}); }) == errc::already_set);
    CHECK(errc_of([] { task_group().run(static_cast<void (*)()>(nullptr)); }) ==
          errc::bad_argument);
}

TEST_CASE_FIXTURE(clean_end, "cancel ends all without an error as often as one likes") {
    const virtual_time from_here;
    task_group g;
    bool reached = false;
    g.run([&] {
        g.spawn([] { sleep(forever); });
        yield();
        g.cancel();
        g.cancel();
        sleep(1h);
        reached = true;
    });
    CHECK_FALSE(reached);

    task_group before;
    before.cancel();
    before.run([&] {
        yield();
        reached = true;
    });
    CHECK_FALSE(reached);

    task_group without_result;
    CHECK(errc_of([&] {
              without_result.run([&] {
                  without_result.cancel();
                  yield();
                  return 1;
              });
          }) == errc::unset);
    // A member that is told to cancel ends those who wait.
    task_group by_member;
    by_member.run([&] {
        by_member.spawn([&] { by_member.cancel(); });
        by_member.spawn([] { sleep(forever); });
    });
    yield();
}

TEST_CASE_FIXTURE(clean_end_of_threads,
                  "another thread may cancel it and not spawn into it") {
    task_group g;
    std::optional<errc> from_there;
    std::thread other;
    g.run([&] {
        g.spawn([] { sleep(forever); });
        other = std::thread([&] {
            from_there = errc_of([&] { g.spawn([] {}); });
            g.cancel();
        });
    });
    other.join();
    CHECK(from_there == errc::wrong_thread);
}

TEST_CASE_FIXTURE(clean_end, "groups nest and so do their errors") {
    const virtual_time from_here;
    task_group outer;
    std::string inner_what;
    const auto run = [&] {
        outer.run([&] {
            outer.spawn([&] {
                task_group inner;
                inner.run([&] { inner.spawn([] { fail_with("deep"); }); });
            });
            outer.spawn([] { sleep(forever); });
        });
    };
    try {
        run();
    } catch (const exception_group& g) {
        REQUIRE(g.exceptions().size() == 1);
        CHECK(g.contains<std::runtime_error>());
        CHECK(g.contains<exception_group>());
        CHECK_FALSE(g.contains<std::logic_error>());
        try {
            std::rethrow_exception(g.exceptions()[0]);
        } catch (const exception_group& inner) {
            inner_what = inner.what();
        }
    }
    CHECK(inner_what == "1 exception: std::runtime_error: deep");
}

TEST_CASE_FIXTURE(clean_end,
                  "an error that a member was given to handle is no failure") {
    const virtual_time from_here;
    task_group g;
    int result = 0;
    g.run([&] {
        auto f = g.spawn([] { return 4; });
        result = f.wait();
        g.spawn([] {
            try {
                fail_with("handled");
            } catch (const std::runtime_error&) {
            }
        });
        g.spawn([] { static_cast<void>(move_on_after(1s, [] { sleep(1h); })); });
    });
    CHECK(result == 4);
}

TEST_CASE_FIXTURE(clean_end, "an exception group of nothing is an error") {
    CHECK(errc_of([] { exception_group({}); }) == errc::bad_argument);
    CHECK(errc_of([] { exception_group({nullptr}); }) == errc::bad_argument);
}
