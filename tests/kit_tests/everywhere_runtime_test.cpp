// everywhere_runtime_test.cpp - the calls of runtime, ended at every moment.
//
// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/cancel.hpp>
#include <tendril/runtime/context_var.hpp>
#include <tendril/runtime/error.hpp>
#include <tendril/runtime/fiber_local.hpp>
#include <tendril/runtime/generator.hpp>
#include <tendril/runtime/greenlet.hpp>
#include <tendril/runtime/hub.hpp>
#include <tendril/runtime/run.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>
#include <tendril/runtime/timeout.hpp>

#include <chrono>
#include <csignal>
#include <exception>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "../support/descriptors.hpp"
#include "everywhere.hpp"
#include <doctest/doctest.h>

using namespace std::chrono_literals;
using namespace tendril;
using test::clean_virtual_time;
using test::companion;
using test::holds_everywhere;
using test::make_pipe;
using test::two_ends;

TEST_SUITE_BEGIN("kit/everywhere runtime");

namespace {

class clean_watching_time : test::made_epoll, public clean_virtual_time {};

// A fiber that does not outlive the scope.
template <class Fiber>
struct ended {
    explicit ended(Fiber f) : f(std::move(f)) {}

    ended(const ended&) = delete;
    ended& operator=(const ended&) = delete;

    ~ended() {
        const uninterrupted here;
        f.kill();
        f.join();
    }

    Fiber f;
};

}  // namespace

TEST_CASE_FIXTURE(clean_virtual_time, "sleep and yield") {
    holds_everywhere(3, [] {
        const companion busy([] {
            for (;;) tendril::sleep(1s);
        });
        tendril::sleep(2s);
        yield();
    });
}

TEST_CASE_FIXTURE(clean_virtual_time, "spawn, wait, join, results and failures") {
    holds_everywhere(2, [] {
        const auto late = [](int n) {
            tendril::sleep(1s);
            return std::string(100, static_cast<char>('a' + n));
        };
        const ended a(spawn([=] { return late(1); }));
        const ended b(spawn({.name = "the other one"}, [=] { return late(2); }));
        b.f.join();
        if (a.f.wait().size() != 100) throw 1;
    });
    holds_everywhere(
        1,
        [] {
            const companion slow([] { tendril::sleep(10min); });
            slow.join();
        },
        false);
}

TEST_CASE_FIXTURE(clean_virtual_time, "spawn_after, links, kill and cancel") {
    holds_everywhere(1, [] {
        int linked = 0;
        const ended at_end(spawn_after(10min, [] { tendril::sleep(forever); }));
        const fiber<>& f = at_end.f;
        f.link([&] { ++linked; });
        auto never = spawn([] {});
        never.cancel();
        tendril::sleep(20min);
        f.kill();
        if (linked != 1) throw 1;
    });
}

TEST_CASE_FIXTURE(clean_virtual_time, "spawn_n and spawn_after_local") {
    holds_everywhere(2, [] {
        const ended at_once(spawn_n([] { tendril::sleep(1s); }));
        const ended later(spawn_after_local(
            10min, [](const std::string& text) { return text.size(); },
            std::string(100, 'x')));
        at_once.f.join();
        if (later.f.wait() != 100) throw 1;
    });
}

TEST_CASE_FIXTURE(clean_virtual_time, "fail_after, late and in time") {
    holds_everywhere(2, [] {
        bool late = false;
        try {
            fail_after(1s, [] { tendril::sleep(1h); });
        } catch (const deadline_exceeded&) {
            late = true;
        }
        if (!late || fail_after(1h, [] { return tendril::sleep(1s), 42; }) != 42) {
            throw 1;
        }
    });
}

TEST_CASE_FIXTURE(clean_virtual_time, "timeouts and scopes, nested") {
    holds_everywhere(
        3,
        [] {
            timeout::silent(10s, [] {
                if (with_timeout(1s, [] { return tendril::sleep(5s), 1; })) throw 1;
                move_on_after(2s, [] { tendril::sleep(1h); });
                shield(1s, [] { tendril::sleep(100ms); });
                tendril::sleep(1h);
            });
        },
        false);
}

TEST_CASE_FIXTURE(clean_virtual_time, "values of fibers and of contexts") {
    static fiber_local<std::string> local;
    static context_var<std::string> followed("none");
    holds_everywhere(1, [] {
        local.get() = std::string(100, 'x');
        const auto before = followed.set(std::string(100, 'y'));
        tendril::sleep(1s);
        followed.reset(before);
    });
}

TEST_CASE_FIXTURE(clean_virtual_time, "context::run, whose values go with it") {
    static context_var<std::string> followed("none");

    struct as_before {
        ~as_before() {
            if (*followed.share() != "none") std::terminate();
        }
    } const at_end;

    holds_everywhere(1, [] {
        const as_before at_end_of_run;
        context::current().run([] {
            followed.set(std::string(100, 'y'));
            tendril::sleep(1s);
        });
    });
}

TEST_CASE_FIXTURE(clean_virtual_time, "generators that wait, and nest") {
    holds_everywhere(
        2,
        [] {
            generator<int> outer([](auto& yield) {
                generator<int> inner([](auto& yield_inner) {
                    for (int i = 0; i < 3; ++i) {
                        tendril::sleep(1s);
                        yield_inner(i);
                    }
                });
                while (const auto n = inner.next()) yield(*n * 2);
            });
            int sum = 0;
            while (const auto n = outer.next()) sum += *n;
            if (sum != 6) throw 1;
        },
        false);
}

TEST_CASE_FIXTURE(clean_virtual_time,
                  "generators that are sent to, thrown into and closed") {
    holds_everywhere(4, [] {
        generator<int, int> counter([](auto& yield) {
            for (int n = 0;;) {
                try {
                    tendril::sleep(1s);
                    n = yield(n).value_or(0) + 1;
                } catch (const std::runtime_error&) {
                    n = 100;
                }
            }
        });
        if (counter.next() != 0 || counter.send(5) != 6) throw 1;
        if (counter.throw_in(std::runtime_error("start over")) != 100) throw 2;
        counter.close();
        if (counter.next()) throw 3;
    });
}

TEST_CASE_FIXTURE(clean_virtual_time, "greenlets that are thrown into") {
    holds_everywhere(2, [] {
        greenlet<> self = greenlet<>::current();
        int caught = 0;
        greenlet<> other([self, &caught]() mutable {
            for (;;) {
                try {
                    self.switch_to();
                } catch (const std::runtime_error&) {
                    ++caught;
                } catch (const fiber_error&) {
                    return;  // it has been killed, and is on its way
                }
            }
        });
        other.switch_to();
        for (int i = 0; i < 2; ++i) {
            other.throw_in(std::runtime_error("again"));
            tendril::sleep(1s);
        }
        other.throw_in();
        if (caught != 2 || !other.dead()) throw 1;
    });
}

TEST_CASE_FIXTURE(clean_virtual_time, "greenlets, dropped while they are suspended") {
    holds_everywhere(
        3,
        [] {
            greenlet<> self = greenlet<>::current();
            greenlet<> other([self]() mutable {
                const std::string text(100, 'x');
                try {
                    for (;;) self.switch_to();
                } catch (const fiber_error&) {
                    // It has been killed, and is on its way.
                }
            });
            for (int i = 0; i < 3; ++i) {
                other.switch_to();
                tendril::sleep(1s);
            }
        },
        false);
}

TEST_CASE_FIXTURE(clean_virtual_time, "callbacks and timers of the hub") {
    holds_everywhere(1, [] {
        hub& h = hub::current();
        const std::string text(100, 'x');
        timer later = h.call_later(1h, [text] {});
        struct cancel_at_end {
            timer& t;
            ~cancel_at_end() { t.cancel(); }
        } const here{later};
        timer soon = h.call_soon([text] {});
        tendril::sleep(1s);
    });
}

TEST_CASE_FIXTURE(clean_virtual_time, "run_forever until it is stopped") {
    holds_everywhere(
        1,
        [] {
            const companion other([] {
                tendril::sleep(1s);
                hub::current().stop();
            });
            hub::current().run_forever();
        },
        false);
}

TEST_CASE_FIXTURE(clean_virtual_time, "switch_out until somebody switches back") {
    holds_everywhere(1, [] {
        hub& h = hub::current();
        timer wake = h.call_later(
            1s, [me = greenlet<>::current()]() mutable { me.switch_to(); });
        struct cancel_at_end {
            timer& t;
            ~cancel_at_end() { t.cancel(); }
        } const here{wake};
        h.switch_out();
        tendril::sleep(1s);
    });
}

TEST_CASE_FIXTURE(clean_virtual_time, "run, with what it leaves over") {
    holds_everywhere(1, [] {
        run([] {
            spawn([] { tendril::sleep(forever); });
            tendril::sleep(1s);
        });
    });
}

TEST_CASE_FIXTURE(clean_watching_time, "wait_readable and wait_writable of a pipe") {
    const two_ends pipe = make_pipe();
    // The table has room for both from now on.
    hub::current().wait_readable(pipe.in.fd(), hub::current().now());
    hub::current().wait_writable(pipe.out.fd());
    holds_everywhere(
        2,
        [&] {
            hub& h = hub::current();
            pipe.in.read(1);
            const companion writer([&] {
                h.wait_writable(pipe.out.fd());
                pipe.out.write("x");
            });
            h.wait_readable(pipe.in.fd());
            pipe.in.read(1);
            writer.join();
            if (h.wait_readable(pipe.in.fd(), h.now())) throw 1;
        },
        false);
    // Every place has been given back.
    CHECK_FALSE(hub::current().remove_reader(pipe.in.fd()));
    hub::current().add_reader(pipe.in.fd(), [] {});
    CHECK(hub::current().remove_reader(pipe.in.fd()));
}

TEST_CASE_FIXTURE(clean_watching_time, "readers and signal handlers of a scope") {
    const two_ends pipe = make_pipe();
    holds_everywhere(1, [&] {
        hub& h = hub::current();

        struct removed_at_end {
            hub& h;
            int fd;

            ~removed_at_end() {
                h.remove_reader(fd);
                h.remove_signal_handler(SIGUSR1);
            }
        } const here{h, pipe.in.fd()};

        h.add_reader(pipe.in.fd(), [text = std::string(100, 'x')] {});
        h.add_signal_handler(SIGUSR1, [text = std::string(100, 'x')] {});
        const companion other([] { yield(); });
        other.join();
    });
    CHECK_FALSE(hub::current().remove_reader(pipe.in.fd()));
    CHECK_FALSE(hub::current().remove_signal_handler(SIGUSR1));
}

TEST_SUITE_END();
