// reader_test.cpp - descriptors that the user watches, beside the sockets of net.
//
// SPDX-License-Identifier: BSL-1.0
#include <tendril/net/socket.hpp>
#include <tendril/runtime/hub.hpp>
#include <tendril/runtime/spawn.hpp>

#include <string>
#include <thread>
#include <utility>

#include "../support/descriptors.hpp"
#include "../support/loopback.hpp"
#include <doctest/doctest.h>

using namespace tendril;
using test::connect_pair;
using test::make_pipe;
using test::read_some;

TEST_SUITE_BEGIN("net/readers");

namespace {

class clean_both : test::made_driver, public test::clean_watching_end {};

}  // namespace

TEST_CASE_FIXTURE(clean_both, "a reader is called for as long as something is left") {
    hub& h = hub::current();
    auto [in, out] = make_pipe();
    std::string got;
    h.add_reader(in.fd(), [&, &in = in] {
        got += in.read(1);
        if (got.size() % 3 == 0) h.stop();
    });
    for (int i = 0; i < 3; ++i) {
        std::thread other([&out = out] { out.write("abc"); });
        h.run_forever();
        other.join();
    }
    CHECK(got == "abcabcabc");
    h.remove_reader(in.fd());
}

TEST_CASE_FIXTURE(clean_both, "sockets and readers have their turns side by side") {
    hub& h = hub::current();
    auto [client, server] = connect_pair();
    auto [in, out] = make_pipe();
    int calls = 0;
    h.add_reader(in.fd(), [&] { ++calls; });
    out.write("x");  // never read
    std::string got;
    auto echo = spawn([&server = server] {
        for (int i = 0; i < 100; ++i) server.send_all(read_some(server));
    });
    for (int i = 0; i < 100; ++i) {
        client.send_all("y");
        got += read_some(client);
    }
    echo.wait();
    CHECK(got == std::string(100, 'y'));
    CHECK(calls > 0);
    h.remove_reader(in.fd());
}

TEST_CASE_FIXTURE(clean_both,
                  "a reader from before the first socket is called after it") {
    std::string got;
    test::on_other_thread([&] {
        hub& h = hub::current();
        auto [in, out] = make_pipe();
        h.add_reader(in.fd(), [&, &in = in] {
            got = in.read();
            h.stop();
        });
        auto [client, server] = connect_pair();
        auto reader = spawn([&server = server] { return read_some(server); });
        client.send_all("x");
        reader.wait();
        std::thread other([&out = out] { out.write("called"); });
        h.run_forever();
        other.join();
        h.remove_reader(in.fd());
    });
    CHECK(got == "called");
}

TEST_SUITE_END();
