// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/hub.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/slow_callback.hpp>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <stdexcept>
#include <string>
#include <vector>

#include "../support/descriptors.hpp"
#include "../support/errc_of.hpp"
#include <doctest/doctest.h>

using namespace std::chrono_literals;
using namespace tendril;
using test::clean_watching_end;
using test::errc_of;

TEST_SUITE_BEGIN("runtime/slow callbacks");

namespace {

// Time that passes when a callback says so, and when the hub has nothing to do.
class spent_time final : detail::time_source {
  public:
    spent_time() : now_(hub::current().now()) {
        before_ = hub_internals::set_time_source(hub::current(), this);
    }

    spent_time(const spent_time&) = delete;
    spent_time& operator=(const spent_time&) = delete;

    ~spent_time() override { hub_internals::set_time_source(hub::current(), before_); }

    void spend(duration d) noexcept { now_ += d; }

  private:
    time_point now() noexcept override { return now_; }

    bool jump(time_point deadline) noexcept override {
        now_ = deadline;
        return true;
    }

    void slept(duration) noexcept override {}

    time_point now_;
    detail::time_source* before_;
};

// Told of what is slow as long as it lives; by the clock `time`.
class slow_callbacks : public clean_watching_end {
  public:
    slow_callbacks() {
        h.set_slow_callback(1s, [this](const slow_callback& s) { told.push_back(s); });
    }

    ~slow_callbacks() { h.set_slow_callback(forever); }

    hub& h = hub::current();
    spent_time time;
    std::vector<slow_callback> told;
};

struct named_callback {
    spent_time& time;

    void operator()() const { time.spend(2s); }
};

}  // namespace

TEST_CASE_FIXTURE(slow_callbacks,
                  "a slow one is told of by its type and its line and how long") {
    const unsigned long line = __LINE__ + 1;
    h.call_soon(named_callback{time});
    yield();
    REQUIRE(told.size() == 1);
    CHECK(told[0].name.find("named_callback") != std::string::npos);
    CHECK(told[0].where.line == line);
    CHECK(std::string(told[0].where.file).ends_with("slow_callback_test.cpp"));
    CHECK(told[0].took == 2s);
}

TEST_CASE_FIXTURE(slow_callbacks,
                  "one that takes the limit and no more is not told of") {
    h.call_soon([&] { time.spend(1s); });
    yield();
    CHECK(told.empty());
    h.call_soon([&] { time.spend(1s + 1ns); });
    yield();
    CHECK(told.size() == 1);
}

TEST_CASE_FIXTURE(slow_callbacks, "whichever way it was given to the hub") {
    auto [here, there] = test::make_socket_pair();
    there.write("x");
    const auto spend = [this] { time.spend(2s); };
    std::vector<unsigned long> lines;
    const auto next = [&](unsigned long here) { lines.push_back(here + 1); };
    next(__LINE__);
    h.post(spend);
    tendril::sleep(1s);
    next(__LINE__);
    h.call_later(1s, spend);
    tendril::sleep(1s);
    next(__LINE__);
    h.call_at(h.now(), spend);
    tendril::sleep(1s);
    next(__LINE__);
    h.call_later_local(1s, spend);
    tendril::sleep(1s);
    next(__LINE__);
    h.add_reader(here.fd(), spend);
    test::look_at_descriptors();
    h.remove_reader(here.fd());
    next(__LINE__);
    h.add_writer(here.fd(), spend);
    test::look_at_descriptors();
    h.remove_writer(here.fd());
    next(__LINE__);
    h.add_signal_handler(SIGUSR1, spend);
    std::raise(SIGUSR1);
    while (told.size() < 7) yield();
    h.remove_signal_handler(SIGUSR1);
    next(__LINE__);
    h.handle().post(spend);
    tendril::sleep(1s);
    std::vector<unsigned long> told_lines;
    for (const slow_callback& s : told) told_lines.push_back(s.where.line);
    CHECK(told_lines == lines);
}

TEST_CASE_FIXTURE(slow_callbacks, "one given with arguments has no line") {
    auto [here, there] = test::make_socket_pair();
    h.add_writer(
        here.fd(), [](spent_time& t, duration d) { t.spend(d); }, std::ref(time), 2s);
    test::look_at_descriptors();
    h.remove_writer(here.fd());
    REQUIRE(told.size() == 1);
    CHECK(told[0].where.line == 0);
}

TEST_CASE_FIXTURE(slow_callbacks, "nothing is told before a limit is set and after") {
    h.set_slow_callback(forever);
    h.call_soon([&] { time.spend(24h); });
    yield();
    CHECK(told.empty());
}

TEST_CASE_FIXTURE(slow_callbacks, "a callback may change the limit that it is under") {
    h.call_soon([&] {
        h.set_slow_callback(forever);
        time.spend(24h);
    });
    yield();
    CHECK(told.empty());
}

TEST_CASE_FIXTURE(slow_callbacks, "the hook may change it as well") {
    int calls = 0;
    h.set_slow_callback(1s, [&](const slow_callback&) {
        ++calls;
        h.set_slow_callback(forever);
    });
    h.call_soon([&] { time.spend(2s); });
    h.call_soon([&] { time.spend(2s); });
    yield();
    CHECK(calls == 1);
}

TEST_CASE_FIXTURE(slow_callbacks, "a callback that throws late is told of as well") {
    h.call_soon([&] {
        time.spend(2s);
        throw std::runtime_error("late");
    });
    yield();
    CHECK(told.size() == 1);
    REQUIRE(reported.size() == 1);
    reported.clear();
}

TEST_CASE_FIXTURE(slow_callbacks, "what the hook throws goes to the exception hook") {
    h.set_slow_callback(1s,
                        [](const slow_callback&) { throw std::runtime_error("no"); });
    h.call_soon([&] { time.spend(2s); });
    yield();
    REQUIRE(reported.size() == 1);
    CHECK(reported[0] == "a hook for slow callbacks: std::runtime_error: no");
    reported.clear();
}

TEST_CASE_FIXTURE(slow_callbacks, "without a hook it is a line on stderr") {
    auto [in, out] = test::make_pipe();
    h.set_slow_callback(1s);
    const int saved = dup(STDERR_FILENO);
    dup2(out.fd(), STDERR_FILENO);
    const int line = __LINE__ + 1;
    h.call_soon(named_callback{time});
    yield();
    dup2(saved, STDERR_FILENO);
    close(saved);
    const std::string text = in.read(1000);
    CHECK(text.starts_with("tendril: "));
    CHECK(text.find("named_callback (given to the hub at ") != std::string::npos);
    CHECK(text.ends_with("slow_callback_test.cpp:" + std::to_string(line) +
                         ") took 2.000 s\n"));
}

TEST_CASE_FIXTURE(slow_callbacks, "a negative limit and another thread are errors") {
    CHECK(errc_of([&] { h.set_slow_callback(-1ns); }) == errc::bad_argument);
    std::optional<errc> thrown;
    test::on_other_thread([&] { thrown = errc_of([&] { h.set_slow_callback(1s); }); });
    CHECK(thrown == errc::wrong_thread);
}

TEST_SUITE_END();
