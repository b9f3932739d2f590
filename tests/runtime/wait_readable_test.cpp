// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/hub.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>
#include <tendril/runtime/timeout.hpp>

#include <chrono>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "../support/descriptors.hpp"
#include "../support/errc_of.hpp"
#include <doctest/doctest.h>

using namespace std::chrono_literals;
using namespace tendril;
using test::clean_watching_end;
using test::errc_of;
using test::look_at_descriptors;
using test::make_pipe;
using test::make_socket_pair;
using test::two_ends;

TEST_SUITE_BEGIN("runtime/hub descriptors");

TEST_CASE_FIXTURE(clean_watching_end,
                  "wait_readable parks until there is something to read") {
    hub& h = hub::current();
    auto [in, out] = make_pipe();
    auto reader = spawn([&, &in = in] {
        const bool ready = h.wait_readable(in.fd());
        return (ready ? "" : "late ") + in.read();
    });
    look_at_descriptors();
    CHECK_FALSE(reader.done());
    out.write("now");
    CHECK(reader.wait() == "now");
}

TEST_CASE_FIXTURE(clean_watching_end,
                  "wait_writable parks until there is room to write") {
    hub& h = hub::current();
    auto [in, out] = make_pipe();
    const std::string page(4096, 'x');
    while (::write(out.fd(), page.data(), page.size()) > 0) continue;
    auto writer = spawn([&, &out = out] { return h.wait_writable(out.fd()); });
    look_at_descriptors();
    CHECK_FALSE(writer.done());
    while (!in.read(4096).empty()) continue;
    CHECK(writer.wait());
}

TEST_CASE_FIXTURE(clean_watching_end,
                  "one reads and another writes on one descriptor at once") {
    hub& h = hub::current();
    auto [here, there] = make_socket_pair();
    auto reader = spawn([&, &here = here] { return h.wait_readable(here.fd()); });
    auto writer = spawn([&, &here = here] { return h.wait_writable(here.fd()); });
    CHECK(writer.wait());
    CHECK_FALSE(reader.done());
    there.write("x");
    CHECK(reader.wait());
}

TEST_CASE_FIXTURE(clean_watching_end,
                  "a deadline that passes gives false and the place back") {
    hub& h = hub::current();
    auto [in, out] = make_pipe();
    CHECK_FALSE(h.wait_readable(in.fd(), h.now()));
    CHECK_FALSE(h.wait_readable(in.fd(), h.now()));
    out.write("x");
    CHECK(h.wait_readable(in.fd(), h.now() + 1h));
}

TEST_CASE_FIXTURE(clean_watching_end,
                  "a kill gives the place back and the descriptor is left alone") {
    hub& h = hub::current();
    auto [in, out] = make_pipe();
    auto killed = spawn([&, &in = in] { h.wait_readable(in.fd()); });
    yield();
    killed.kill();
    CHECK(killed.done());
    out.write("x");
    CHECK(h.wait_readable(in.fd()));
    CHECK(in.read() == "x");
}

TEST_CASE_FIXTURE(clean_watching_end,
                  "of two fibers the second is told with both names") {
    hub& h = hub::current();
    auto [in, out] = make_pipe();
    auto first =
        spawn({.name = "anna"}, [&, &in = in] { return h.wait_readable(in.fd()); });
    yield();
    const std::string told = spawn({.name = "bert"}, [&, &in = in]() -> std::string {
                                 try {
                                     h.wait_readable(in.fd());
                                 } catch (const fiber_error& e) {
                                     if (e.code() == errc::second_waiter) {
                                         return e.what();
                                     }
                                 }
                                 return "";
                             }).wait();
    CHECK(told.find("'anna'") != std::string::npos);
    CHECK(told.find("'bert'") != std::string::npos);
    out.write("x");
    CHECK(first.wait());
}

TEST_CASE_FIXTURE(clean_watching_end,
                  "a callback and a fiber cannot both have one end") {
    hub& h = hub::current();
    auto [in, out] = make_pipe();
    h.add_reader(in.fd(), [] {});
    CHECK(errc_of([&, &in = in] { h.wait_readable(in.fd()); }) == errc::second_waiter);
    h.remove_reader(in.fd());
    auto fiber = spawn([&, &in = in] { return h.wait_readable(in.fd()); });
    yield();
    CHECK(errc_of([&, &in = in] { h.add_reader(in.fd(), [] {}); }) ==
          errc::second_waiter);
    CHECK_FALSE(h.remove_reader(in.fd()));
    out.write("x");
    CHECK(fiber.wait());
}

TEST_CASE_FIXTURE(clean_watching_end, "in a hub callback it is an error") {
    hub& h = hub::current();
    auto [in, out] = make_pipe();
    std::optional<errc> thrown;
    h.call_soon([&, &in = in] { thrown = errc_of([&] { h.wait_readable(in.fd()); }); });
    yield();
    CHECK(thrown == errc::in_hub);
}

TEST_CASE_FIXTURE(clean_watching_end,
                  "another thread's write wakes a hub that sleeps") {
    hub& h = hub::current();
    auto [in, out] = make_pipe();
    std::thread other([&out = out] { out.write("x"); });
    CHECK(h.wait_readable(in.fd()));
    other.join();
}

TEST_CASE_FIXTURE(clean_watching_end,
                  "one that waits when its thread ends is killed there") {
    auto [in, out] = make_pipe();
    bool unwound = false;
    test::on_other_thread([&, &in = in] {
        spawn([&, fd = in.fd()] {
            try {
                hub::current().wait_readable(fd);
            } catch (const greenlet_exit&) {
                unwound = true;
                throw;
            }
        });
        yield();
    });
    CHECK(unwound);
}

TEST_CASE_FIXTURE(clean_watching_end,
                  "news of a file that is gone are not taken for its successor's") {
    hub& h = hub::current();
    two_ends first = make_pipe(), second = make_pipe();
    std::optional<two_ends> other;
    int called = 0;
    // Whichever is called first closes the other one, and a new pipe gets its number.
    const auto replace = [&](two_ends& mine, two_ends& victim) {
        h.remove_reader(mine.in.fd());
        if (other) return;
        const int number = victim.in.fd();
        h.remove_reader(number);
        victim.in.close();
        other = make_pipe();
        CHECK(other->in.fd() == number);
        h.add_reader(number, [&] { ++called; });
    };
    h.add_reader(first.in.fd(), [&] { replace(first, second); });
    h.add_reader(second.in.fd(), [&] { replace(second, first); });
    first.out.write("1");
    second.out.write("2");
    for (int i = 0; i < 3; ++i) look_at_descriptors();
    REQUIRE(other);
    CHECK(called == 0);
    other->out.write("3");
    look_at_descriptors();
    CHECK(called > 0);
    h.remove_reader(other->in.fd());
}

TEST_SUITE_END();
