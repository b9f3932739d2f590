// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/context_var.hpp>
#include <tendril/runtime/hub.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>

#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>

#include "../support/descriptors.hpp"
#include "../support/errc_of.hpp"
#include <doctest/doctest.h>
#include <sys/timerfd.h>

using namespace std::chrono_literals;
using namespace tendril;
using test::clean_watching_end;
using test::errc_of;
using test::look_at_descriptors;
using test::make_pipe;
using test::make_socket_pair;
using test::owned_descriptor;

TEST_SUITE_BEGIN("runtime/hub descriptors");

namespace {

// The number of the std::system_error that a call throws; 0 if it returns.
template <class F>
int error_of(F call) {
    try {
        call();
    } catch (const std::system_error& e) {
        return e.code().value();
    }
    return 0;
}

}  // namespace

TEST_CASE_FIXTURE(clean_watching_end,
                  "a reader is called for as long as something is left to read") {
    hub& h = hub::current();
    auto [in, out] = make_pipe();
    std::string got;
    h.add_reader(in.fd(), [&, &in = in] { got += in.read(1) + '.'; });
    look_at_descriptors();
    CHECK(got.empty());
    out.write("abc");
    for (int i = 0; i < 5; ++i) look_at_descriptors();
    CHECK(got == "a.b.c.");
    out.write("d");
    look_at_descriptors();
    CHECK(got == "a.b.c.d.");
    out.write("e");
    CHECK(h.remove_reader(in.fd()));
    CHECK_FALSE(h.remove_reader(in.fd()));
    look_at_descriptors();
    CHECK(got == "a.b.c.d.");
}

TEST_CASE_FIXTURE(clean_watching_end, "another reader takes the place of the first") {
    hub& h = hub::current();
    auto [in, out] = make_pipe();
    out.write("x");
    std::string order;
    auto owned = std::make_shared<int>(1);
    const std::weak_ptr<int> first = owned;
    h.add_reader(in.fd(), [&, owned = std::move(owned)] { order += '1'; });
    h.add_reader(in.fd(), [&] { order += '2'; });
    CHECK(first.expired());
    look_at_descriptors();
    CHECK(order == "2");
    CHECK(h.remove_reader(in.fd()));
    CHECK_FALSE(h.remove_reader(in.fd()));
}

TEST_CASE_FIXTURE(clean_watching_end,
                  "reading and writing on one descriptor are two registrations") {
    hub& h = hub::current();
    auto [here, there] = make_socket_pair();
    std::string order;
    h.add_writer(here.fd(), [&] { order += 'w'; });
    h.add_reader(here.fd(), [&] { order += 'r'; });
    look_at_descriptors();
    CHECK(order == "w");
    there.write("x");
    look_at_descriptors();
    CHECK(order == "wrw");
    CHECK(h.remove_writer(here.fd()));
    look_at_descriptors();
    CHECK(order == "wrwr");
    CHECK_FALSE(h.remove_writer(here.fd()));
    CHECK(h.remove_reader(here.fd()));
}

TEST_CASE_FIXTURE(clean_watching_end,
                  "a writer is not called while the other end takes nothing") {
    hub& h = hub::current();
    auto [in, out] = make_pipe();
    const std::string page(4096, 'x');
    while (::write(out.fd(), page.data(), page.size()) > 0) continue;
    int calls = 0;
    h.add_writer(out.fd(), [&] { ++calls; });
    look_at_descriptors();
    CHECK(calls == 0);
    while (!in.read(4096).empty()) continue;
    look_at_descriptors();
    CHECK(calls == 1);
    h.remove_writer(out.fd());
}

TEST_CASE_FIXTURE(clean_watching_end,
                  "arguments are kept as copies and given to each call") {
    hub& h = hub::current();
    auto [here, there] = make_socket_pair();
    there.write("x");
    std::string order;
    std::string name = "anna";
    const auto note = [](std::string& to, const std::string& what, int n) {
        to += what + std::to_string(n);
    };
    h.add_reader(here.fd(), note, std::ref(order), name, 1);
    h.add_writer(here.fd(), note, std::ref(order), std::string("w"), 2);
    name = "bert";
    look_at_descriptors();
    look_at_descriptors();
    CHECK(order == "anna1w2anna1w2");
    h.remove_reader(here.fd());
    h.remove_writer(here.fd());
}

TEST_CASE_FIXTURE(clean_watching_end,
                  "a reader that throws is reported each time and called again") {
    hub& h = hub::current();
    auto [in, out] = make_pipe();
    out.write("x");
    h.add_reader(in.fd(), [] { throw std::runtime_error("no"); });
    look_at_descriptors();
    look_at_descriptors();
    h.remove_reader(in.fd());
    REQUIRE(reported.size() == 2);
    CHECK(reported[0] == "a reader of the hub: std::runtime_error: no");
    CHECK(reported[1] == reported[0]);
    reported.clear();
}

TEST_CASE_FIXTURE(clean_watching_end, "a reader sees the other end go") {
    hub& h = hub::current();
    auto [in, out] = make_pipe();
    std::string got = "?";
    h.add_reader(in.fd(), [&, &in = in] {
        got = in.read();
        h.remove_reader(in.fd());
    });
    out.close();
    look_at_descriptors();
    CHECK(got.empty());
    CHECK_FALSE(h.remove_reader(in.fd()));
}

TEST_CASE_FIXTURE(clean_watching_end, "a writer sees the other end go") {
    hub& h = hub::current();
    auto [in, out] = make_pipe();
    const std::string page(4096, 'x');
    while (::write(out.fd(), page.data(), page.size()) > 0) continue;
    int calls = 0;
    h.add_writer(out.fd(), [&] { ++calls; });
    in.close();
    look_at_descriptors();
    CHECK(calls == 1);
    h.remove_writer(out.fd());
}

TEST_CASE_FIXTURE(clean_watching_end,
                  "one that removes the other of two in the same turn is alone") {
    hub& h = hub::current();
    auto [in_a, out_a] = make_pipe();
    auto [in_b, out_b] = make_pipe();
    out_a.write("x");
    out_b.write("x");
    std::string order;
    h.add_reader(in_a.fd(), [&, &in_b = in_b] {
        order += 'a';
        h.remove_reader(in_b.fd());
    });
    h.add_reader(in_b.fd(), [&, &in_a = in_a] {
        order += 'b';
        h.remove_reader(in_a.fd());
    });
    look_at_descriptors();
    look_at_descriptors();
    look_at_descriptors();
    CHECK(order.size() == 3);
    CHECK(order == std::string(3, order[0]));
    CHECK(int(h.remove_reader(in_a.fd())) + int(h.remove_reader(in_b.fd())) == 1);
}

TEST_CASE_FIXTURE(clean_watching_end,
                  "a hundred ready descriptors are all called in turn") {
    hub& h = hub::current();
    std::vector<owned_descriptor> ready;
    std::vector<int> calls(100, 0);
    for (int& count : calls) {
        ready.emplace_back(eventfd(1, EFD_CLOEXEC));
        h.add_reader(ready.back().fd(), [&count] { ++count; });
    }
    for (int i = 0; i < 10; ++i) look_at_descriptors();
    for (const int count : calls) CHECK(count >= 5);
    for (const owned_descriptor& d : ready) h.remove_reader(d.fd());
}

TEST_CASE_FIXTURE(clean_watching_end, "what cannot be watched is a system_error") {
    hub& h = hub::current();
    CHECK(error_of([&] { h.add_reader(-1, [] {}); }) == EBADF);
    CHECK(error_of([&] { h.add_writer(-1, [] {}); }) == EBADF);
    const int closed = make_pipe().in.fd();
    CHECK(error_of([&] { h.add_reader(closed, [] {}); }) == EBADF);
    CHECK(error_of([&] { h.wait_writable(closed); }) == EBADF);
    CHECK(error_of([&] { h.add_reader(2'000'000'000, [] {}); }) == EBADF);
    const owned_descriptor file(open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
    CHECK(error_of([&] { h.add_reader(file.fd(), [] {}); }) == EPERM);
    CHECK(error_of([&] { h.wait_readable(file.fd()); }) == EPERM);
    for (const int fd : {-1, closed, file.fd(), 1'000'000}) {
        CHECK_FALSE(h.remove_reader(fd));
        CHECK_FALSE(h.remove_writer(fd));
    }
}

TEST_CASE_FIXTURE(clean_watching_end,
                  "no callback and another thread's hub are errors") {
    hub& h = hub::current();
    auto [in, out] = make_pipe();
    CHECK(errc_of([&, &in = in] { h.add_reader(in.fd(), hub::callback{}); }) ==
          errc::bad_argument);
    CHECK_FALSE(h.remove_reader(in.fd()));
    int refused = 0;
    test::on_other_thread([&, &in = in] {
        const auto count = [&](auto call) {
            refused += errc_of(call) == errc::wrong_thread ? 1 : 0;
        };
        count([&] { h.add_reader(in.fd(), [] {}); });
        count([&] { h.add_writer(in.fd(), [] {}); });
        count([&] { h.remove_reader(in.fd()); });
        count([&] { h.remove_writer(in.fd()); });
        count([&] { h.wait_readable(in.fd()); });
        count([&] { h.wait_writable(in.fd()); });
    });
    CHECK(refused == 6);
}

TEST_CASE_FIXTURE(clean_watching_end,
                  "the number of a closed descriptor can be another file's reader") {
    hub& h = hub::current();
    auto [in, out] = make_pipe();
    std::string order;
    h.add_reader(in.fd(), [&] { order += "old"; });
    const int number = in.fd();
    auto [next_in, next_out] = make_pipe();
    CHECK(dup2(next_in.fd(), number) == number);
    next_out.write("x");
    h.add_reader(number, [&] { order += "new"; });
    look_at_descriptors();
    CHECK(order == "new");
    CHECK(h.remove_reader(number));
}

TEST_CASE_FIXTURE(clean_watching_end,
                  "fibers that are always ready do not keep readers from their turn") {
    hub& h = hub::current();
    auto [in, out] = make_pipe();
    out.write("x");
    bool called = false;
    h.add_reader(in.fd(), [&] { called = true; });
    while (!called) yield();
    h.remove_reader(in.fd());
    CHECK(called);
}

TEST_CASE_FIXTURE(clean_watching_end,
                  "a reader that is always ready does not keep timers from theirs") {
    // In real time, since I/O is waited for: 100 us.
    hub& h = hub::current();
    auto [in, out] = make_pipe();
    out.write("x");
    int calls = 0;
    h.add_reader(in.fd(), [&] { ++calls; });
    tendril::sleep(100us);
    CHECK(calls > 0);
    h.remove_reader(in.fd());
}

TEST_CASE_FIXTURE(clean_watching_end,
                  "who may still be called is no deadlock for those who wait") {
    // In real time: 1 ms.
    hub& h = hub::current();
    auto stuck = spawn([] { tendril::sleep(forever); });
    const owned_descriptor alarm(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC));
    const itimerspec soon{.it_interval = {},
                          .it_value = {.tv_sec = 0, .tv_nsec = 1'000'000}};
    timerfd_settime(alarm.fd(), 0, &soon, nullptr);
    h.add_reader(alarm.fd(), [&] {
        h.remove_reader(alarm.fd());
        stuck.kill();
    });
    CHECK(stuck.join());
}

TEST_CASE_FIXTURE(clean_watching_end,
                  "a reader runs in the context of who gave it and keeps it so") {
    static context_var<std::string> who("nobody");
    hub& h = hub::current();
    auto [in, out] = make_pipe();
    out.write("x");
    std::string seen;
    spawn([&, &in = in] {
        who.set("anna");
        h.add_reader(in.fd(), [&] {
            seen += who.get() + '.';
            who.set("bert");
        });
    }).wait();
    look_at_descriptors();
    look_at_descriptors();
    CHECK(seen == "anna.anna.");
    h.remove_reader(in.fd());
}

TEST_CASE_FIXTURE(clean_watching_end,
                  "readers left when their thread ends go without being called") {
    auto [in, out] = make_pipe();
    out.write("x");
    auto owned = std::make_shared<int>(1);
    const std::weak_ptr<int> alive = owned;
    bool called = false;
    test::on_other_thread([&, &in = in, &out = out] {
        hub& h = hub::current();
        h.add_reader(in.fd(), [&called, owned] { called = true; });
        h.add_writer(out.fd(), [&called, owned] { called = true; });
        owned = nullptr;
    });
    CHECK(alive.expired());
    CHECK_FALSE(called);
}

TEST_SUITE_END();
