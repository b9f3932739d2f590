// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/hub.hpp>
#include <tendril/runtime/run.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>

#include <chrono>
#include <csignal>
#include <latch>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>

#include "../support/errc_of.hpp"
#include "../support/other_thread.hpp"
#include <doctest/doctest.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace std::chrono_literals;
using namespace tendril;
using test::clean_end;
using test::clean_end_of_threads;
using test::errc_of;

TEST_SUITE_BEGIN("runtime/hub signals");

namespace {

volatile std::sig_atomic_t plain_calls = 0;

void plain_handler(int) {
    plain_calls = plain_calls + 1;
}

using handler = void (*)(int);

bool handled_by(handler f, int signal) {
    struct sigaction there {};

    sigaction(signal, nullptr, &there);
    return there.sa_handler == f;
}

// Gives the signal its default back.
bool was_handled_by(handler f, int signal) {
    return std::signal(signal, SIG_DFL) == f;
}

// The hub looks for signals between its turns, of 64 hops each.
void turn() {
    for (int i = 0; i < 100; ++i) yield();
}

// SIGALRM in a millisecond of real time, once.
void set_alarm() {
    const itimerval soon{.it_interval = {}, .it_value = {.tv_sec = 0, .tv_usec = 1000}};
    setitimer(ITIMER_REAL, &soon, nullptr);
}

}  // namespace

TEST_CASE_FIXTURE(clean_end,
                  "a handler runs on the hub and not where the signal came") {
    hub& h = hub::current();
    std::string order;
    fiber<> spawned;
    h.add_signal_handler(SIGUSR1, [&] {
        order += 'h';
        spawned = spawn([&] { order += 's'; });
    });
    std::raise(SIGUSR1);
    order += 'r';
    turn();
    CHECK(order == "rhs");
    CHECK(h.remove_signal_handler(SIGUSR1));
}

TEST_CASE_FIXTURE(clean_end, "signals that come together are one call for each kind") {
    hub& h = hub::current();
    std::string order;
    h.add_signal_handler(SIGUSR2, [&] { order += '2'; });
    h.add_signal_handler(SIGUSR1, [&] { order += '1'; });
    std::raise(SIGUSR2);
    for (int i = 0; i < 3; ++i) std::raise(SIGUSR1);
    turn();
    CHECK(order == "12");
    std::raise(SIGUSR2);
    turn();
    CHECK(order == "122");
    h.remove_signal_handler(SIGUSR1);
    h.remove_signal_handler(SIGUSR2);
}

TEST_CASE_FIXTURE(clean_end, "removal brings back what was there before") {
    hub& h = hub::current();
    std::signal(SIGUSR1, plain_handler);
    plain_calls = 0;
    int calls = 0;
    h.add_signal_handler(SIGUSR1, [&] { ++calls; });
    h.add_signal_handler(SIGUSR1, [&] { ++calls; });
    CHECK_FALSE(handled_by(plain_handler, SIGUSR1));
    CHECK(h.remove_signal_handler(SIGUSR1));
    CHECK_FALSE(h.remove_signal_handler(SIGUSR1));
    std::raise(SIGUSR1);
    CHECK(plain_calls == 1);
    CHECK(was_handled_by(plain_handler, SIGUSR1));
    turn();
    CHECK(calls == 0);
}

TEST_CASE_FIXTURE(clean_end, "a handler that somebody puts above it stays there") {
    hub& h = hub::current();
    h.add_signal_handler(SIGUSR1, [] {});
    std::signal(SIGUSR1, plain_handler);
    CHECK(h.remove_signal_handler(SIGUSR1));
    CHECK(was_handled_by(plain_handler, SIGUSR1));
}

TEST_CASE_FIXTURE(clean_end, "system calls that it interrupts go on") {
    hub& h = hub::current();
    h.add_signal_handler(SIGUSR1, [] {});

    struct sigaction there {};

    sigaction(SIGUSR1, nullptr, &there);
    CHECK((there.sa_flags & SA_RESTART) != 0);
    h.remove_signal_handler(SIGUSR1);
}

TEST_CASE_FIXTURE(clean_end,
                  "the last one given has the signal and the first is gone") {
    hub& h = hub::current();
    auto owned = std::make_shared<int>(1);
    const std::weak_ptr<int> first = owned;
    std::string order;
    h.add_signal_handler(SIGUSR1, [&, owned = std::move(owned)] { order += '1'; });
    h.add_signal_handler(SIGUSR1, [&] { order += '2'; });
    CHECK(first.expired());
    std::raise(SIGUSR1);
    turn();
    CHECK(order == "2");
    h.remove_signal_handler(SIGUSR1);
}

TEST_CASE_FIXTURE(clean_end_of_threads,
                  "another hub takes the signal and gives it back at its end") {
    hub& h = hub::current();
    std::string here, there;
    h.add_signal_handler(SIGUSR1, [&] { here += '1'; });
    test::on_other_thread([&] {
        hub& other = hub::current();
        other.add_signal_handler(SIGUSR1, [&] {
            there += '2';
            other.stop();
        });
        std::raise(SIGUSR1);
        other.run_forever();
    });
    turn();
    CHECK(here.empty());
    CHECK(there == "2");
    CHECK_FALSE(h.remove_signal_handler(SIGUSR1));
    CHECK(handled_by(SIG_DFL, SIGUSR1));
}

TEST_CASE_FIXTURE(clean_end_of_threads,
                  "one that the owner before has not got to is the new owner's") {
    hub& h = hub::current();
    std::string here;
    test::on_other_thread([&] {
        hub::current().add_signal_handler(SIGUSR1, [&] { here += '1'; });
        std::raise(SIGUSR1);
        std::latch looked(1);
        h.post([&] {
            // It has looked at what is pending before this.
            h.add_signal_handler(SIGUSR1, [&] { here += '2'; });
            looked.count_down();
        });
        looked.wait();
    });
    turn();
    CHECK(here == "2");
    h.remove_signal_handler(SIGUSR1);
}

TEST_CASE_FIXTURE(clean_end, "what is no signal to handle is a bad argument") {
    hub& h = hub::current();
    for (const int no : {SIGKILL, SIGSTOP, 0, -1, 32, 33, 65, 1'000'000}) {
        CHECK(errc_of([&] { h.add_signal_handler(no, [] {}); }) == errc::bad_argument);
        CHECK_FALSE(h.remove_signal_handler(no));
    }
    CHECK(errc_of([&] { h.add_signal_handler(SIGUSR1, hub::callback{}); }) ==
          errc::bad_argument);
    CHECK(handled_by(SIG_DFL, SIGUSR1));
}

TEST_CASE_FIXTURE(clean_end_of_threads, "of another thread's hub they are errors") {
    hub& h = hub::current();
    std::optional<errc> add, remove;
    test::on_other_thread([&] {
        add = errc_of([&] { h.add_signal_handler(SIGUSR1, [] {}); });
        remove = errc_of([&] { h.remove_signal_handler(SIGUSR1); });
    });
    CHECK(add == errc::wrong_thread);
    CHECK(remove == errc::wrong_thread);
}

TEST_CASE_FIXTURE(clean_end,
                  "a signal wakes a hub that sleeps with nothing else to do") {
    // In real time: 1 ms. Where all wait for ever it is no deadlock either.
    hub& h = hub::current();
    auto stuck = spawn([] { tendril::sleep(forever); });
    h.add_signal_handler(SIGALRM, [&] { stuck.kill(); });
    set_alarm();
    CHECK(stuck.join());
    h.remove_signal_handler(SIGALRM);
}

TEST_CASE_FIXTURE(clean_end_of_threads,
                  "a signal that comes to another thread is the hub's all the same") {
    hub& h = hub::current();
    h.add_signal_handler(SIGUSR1, [&] { h.stop(); });
    std::thread other([] { std::raise(SIGUSR1); });
    h.run_forever();
    other.join();
    CHECK(h.remove_signal_handler(SIGUSR1));
}

TEST_CASE_FIXTURE(clean_end, "a handler that throws is reported and stays") {
    hub& h = hub::current();
    h.add_signal_handler(SIGUSR1, [] { throw std::runtime_error("no"); });
    for (int i = 0; i < 2; ++i) {
        std::raise(SIGUSR1);
        turn();
    }
    h.remove_signal_handler(SIGUSR1);
    REQUIRE(reported.size() == 2);
    CHECK(reported[0] == "a signal handler of the hub: std::runtime_error: no");
    reported.clear();
}

TEST_CASE_FIXTURE(clean_end, "a handler may take itself away and put others there") {
    hub& h = hub::current();
    std::string order;
    h.add_signal_handler(SIGUSR1, [&, text = std::string(100, 'x')] {
        h.remove_signal_handler(SIGUSR1);
        h.add_signal_handler(SIGUSR2, [&] { order += '2'; });
        order += text.size() == 100 ? '1' : '?';
    });
    std::raise(SIGUSR1);
    turn();
    std::raise(SIGUSR2);
    turn();
    CHECK(order == "12");
    CHECK(handled_by(SIG_DFL, SIGUSR1));
    CHECK(h.remove_signal_handler(SIGUSR2));
}

TEST_CASE_FIXTURE(clean_end, "put above a run it gives back what was before the run") {
    hub& h = hub::current();
    int calls = 0;
    run([&] {
        h.add_signal_handler(SIGINT, [&] { ++calls; });
        std::raise(SIGINT);
        turn();
    });
    CHECK(calls == 1);
    std::raise(SIGINT);
    turn();
    CHECK(calls == 2);
    CHECK(h.remove_signal_handler(SIGINT));
    CHECK(handled_by(SIG_DFL, SIGINT));
}

TEST_CASE_FIXTURE(clean_end, "removed inside a run it gives the signal back to that") {
    hub& h = hub::current();
    int signal = 0;
    try {
        run([&] {
            h.add_signal_handler(SIGTERM, [] {});
            h.remove_signal_handler(SIGTERM);
            std::raise(SIGTERM);
            tendril::sleep(1h);
        });
    } catch (const signalled& s) {
        signal = s.signal();
    }
    CHECK(signal == SIGTERM);
    CHECK(handled_by(SIG_DFL, SIGTERM));
}

TEST_CASE_FIXTURE(clean_end, "the child of a fork has none of them") {
    hub& h = hub::current();
    h.add_signal_handler(SIGUSR1, [] {});
    const pid_t child = fork();
    if (child == 0) _exit(handled_by(SIG_DFL, SIGUSR1) ? 0 : 1);
    int status = -1;
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(status == 0);
    CHECK(h.remove_signal_handler(SIGUSR1));
}

TEST_SUITE_END();
