// dump_test.cpp - what a dump tells of each fiber, and that it leaves them as they
// were.
//
// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/dump.hpp>
#include <tendril/runtime/generator.hpp>
#include <tendril/runtime/greenlet.hpp>
#include <tendril/runtime/hub.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>
#include <tendril/sync/mutex.hpp>
#include <tendril/sync/queue.hpp>
#include <tendril/test/virtual_time.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "../support/clean_end.hpp"
#include "../support/hub_threads.hpp"
#include <doctest/doctest.h>

using namespace std::chrono_literals;
using namespace tendril;
using test::clean_end;
using test::virtual_time;

TEST_SUITE_BEGIN("runtime/dump");

namespace {

std::string dump() {
    std::ostringstream out;
    dump_fibers(out);
    return out.str();
}

bool contains(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

// The lines from the one that contains `begin` up to the next fiber's.
std::string part_of(const std::string& text, const std::string& begin) {
    const std::size_t at = text.find(begin);
    if (at == std::string::npos) return "";
    std::size_t end = text.find('\n', at);
    while (end + 1 < text.size() && text[end + 1] == ' ')
        end = text.find('\n', end + 1);
    return text.substr(at, end - at);
}

std::size_t frames_in(const std::string& text) {
    std::size_t count = 0;
    for (std::size_t at = 0; (at = text.find("\n    #", at)) != std::string::npos;
         ++at) {
        ++count;
    }
    return count;
}

// Each calls the next, and the last one waits.
[[gnu::noinline]] int deep(int depth) {
    if (depth == 0) {
        tendril::sleep(1h);
        return 0;
    }
    return deep(depth - 1) + 1;
}

// The number after `label` in `text`; -1 without it.
double number_after(const std::string& text, const std::string& label) {
    const std::size_t at = text.find(label);
    return at == std::string::npos ? -1 : std::stod(text.substr(at + label.size()));
}

double in_seconds(duration d) {
    return std::chrono::duration<double>(d).count();
}

constexpr std::size_t KiB = 1024;

// Writes to all of a frame of about `Bytes` bytes.
template <std::size_t Bytes>
[[gnu::noinline]] int fill_frame() {
    volatile unsigned char frame[Bytes];
    for (std::size_t i = 0; i < Bytes; i += 512) frame[i] = 1;
    return frame[Bytes / 2];
}

void compute_for(duration d) {
    const time_point end = clock::now() + d;
    while (clock::now() < end) continue;
}

}  // namespace

// Exported, so that frames have their names.
namespace planted {

// Each calls the next, and the last one leaves by a raw switch.
[[gnu::noinline]] int leave_from(int depth) {
    if (depth == 0) {
        greenlet<>::current().parent().switch_to();
        return 0;
    }
    return leave_from(depth - 1) + 1;
}

}  // namespace planted

TEST_CASE_FIXTURE(clean_end,
                  "each state is told, with name, place and what is waited for") {
    virtual_time time;
    mutex m;
    queue<int> empty;
    m.lock();
    auto reader = spawn({.name = "reader"}, [&] { empty.get(); });
    auto locker = spawn({.name = "locker"}, [&] { m.lock(), m.unlock(); });
    auto joiner = spawn({.name = "joiner"}, [&] { reader.join(); });
    auto sleeper = spawn({.name = "sleeper"}, [] { tendril::sleep(1h); });
    greenlet<> suspended([] { greenlet<>::current().parent().switch_to(); });
    suspended.switch_to();
    const greenlet<> unstarted([] {});
    yield();
    auto ready = spawn({.name = "ready"}, [] {});

    const std::string text = dump();
    CHECK(contains(text, "main fiber"));
    CHECK(contains(part_of(text, "main fiber"), ": running"));
    CHECK(contains(part_of(text, "'reader'"), "waits for queue::get"));
    CHECK(contains(part_of(text, "'locker'"), "waits for mutex of main fiber"));
    CHECK(contains(part_of(text, "'joiner'"), "waits for a fiber's end of fiber"));
    CHECK(contains(part_of(text, "'joiner'"), "'reader'"));
    CHECK(contains(part_of(text, "'sleeper'"), "waits for sleep"));
    CHECK(contains(part_of(text, "'sleeper'"), "KiB of 256 KiB used"));
    CHECK(contains(part_of(text, "'ready'"), "ready to start"));
    CHECK(contains(text, "suspended by a switch"));
    CHECK(contains(text, "has not started"));
    CHECK(contains(text, "dump_test.cpp:"));
    CHECK(contains(text, ": 8 fibers\n"));

    m.unlock();
    reader.kill();
    sleeper.kill();
    joiner.wait();
    locker.wait();
}

TEST_CASE_FIXTURE(clean_end,
                  "suspended fibers show their frames, down to their first") {
    virtual_time time;
    auto shallow = spawn({.name = "shallow"}, [] { deep(0); });
    auto deeper = spawn({.name = "deeper"}, [] { deep(20); });
    yield();
    for (int times = 0; times < 3; ++times) {
        const std::string text = dump();
        const std::size_t few = frames_in(part_of(text, "'shallow'"));
        const std::size_t many = frames_in(part_of(text, "'deeper'"));
        CHECK(few >= 4);
        CHECK(many == few + 20);
        CHECK(frames_in(part_of(text, "main fiber")) >= 4);
    }
    shallow.kill();
    deeper.kill();
}

TEST_CASE_FIXTURE(clean_end, "so do greenlets that a raw switch has left") {
    greenlet<> shallow([] { planted::leave_from(0); });
    greenlet<> deeper([] { planted::leave_from(20); });
    const auto part = [](const greenlet<>& g) {
        return part_of(dump(), "greenlet " + std::to_string(g.id()) + " ");
    };
    shallow.switch_to();
    deeper.switch_to();
    CHECK(contains(part(deeper), ": suspended by a switch\n"));
    CHECK(frames_in(part(shallow)) >= 3);
    CHECK(frames_in(part(deeper)) == frames_in(part(shallow)) + 20);
    CHECK(contains(part(deeper), " planted::leave_from(int) +0x"));
    shallow.switch_to();
    deeper.switch_to();
}

TEST_CASE_FIXTURE(clean_end, "a wait is told with how long it has lasted") {
    // In real time: 10 ms.
    const time_point earliest = clock::now();
    std::vector<fiber<>> alike;
    time_point latest = never;
    for (const char* const end : {" s\n", " s at most\n"}) {
        // A wait counts from when its hub's turn began: here.
        tendril::sleep(1ns);
        alike.push_back(spawn({.name = "waits"}, [] { tendril::sleep(1h); }));
        yield();
        // Of several, it is the one that waits for the longest.
        latest = std::min(latest, clock::now());
        compute_for(5ms);
        const double least = in_seconds(clock::now() - latest);
        const std::string part = part_of(dump(), "'waits'");
        const double most = in_seconds(clock::now() - earliest);
        const double told = number_after(part, ": waits for sleep, for ");
        // It is told in milliseconds.
        CHECK(told >= least - 0.0005);
        CHECK(told <= most + 0.0005);
        CHECK(contains(part, end));
    }
    for (const auto& f : alike) f.kill();
}

TEST_CASE_FIXTURE(clean_end, "each is told with its own place and its own stack") {
    // Of a size that nobody has used before.
    const spawn_options of_little{.name = "little", .stack_size = 112 * KiB};
    const int line_of_little = __LINE__ - 1;
    const spawn_options of_much{.name = "much", .stack_size = 112 * KiB};
    const auto little = spawn(of_little, [] { tendril::sleep(1h); });
    const auto much = spawn(of_much, [] {
        fill_frame<40 * KiB>();
        tendril::sleep(1h);
    });
    yield();
    const auto check = [](const fiber<>& f, int line, double used) {
        const std::string name = "'" + f.name() + "'";
        const std::string part = part_of(dump(), name);
        CHECK(contains(part, name + " (made at " + __FILE__ + ":" +
                                 std::to_string(line) + "): waits for sleep"));
        CHECK(contains(part, " of 112 KiB used\n"));
        const double told = number_after(part, "\n    stack: at most ");
        CHECK(told >= used);
        if (!test::sanitized) CHECK(told <= used + 11);
        f.kill();
    };
    check(little, line_of_little, 1);
    check(much, line_of_little + 2, 40);
}

TEST_CASE_FIXTURE(clean_end,
                  "fibers that are alike are told of once, with their number") {
    virtual_time time;
    std::vector<fiber<>> fibers;
    for (int i = 0; i < 1000; ++i) {
        fibers.push_back(spawn([] { tendril::sleep(1h); }));
    }
    yield();
    const std::string text = dump();
    CHECK(contains(text, "\n1000 fibers (made at "));
    CHECK(contains(text, ", ...\n"));
    CHECK(text.size() < 10'000);
    for (const auto& f : fibers) f.kill();
}

TEST_CASE_FIXTURE(clean_end, "whoever was looked at goes on as if nothing had been") {
    virtual_time time;
    int sum = 0;
    std::vector<fiber<int>> fibers;
    for (int i = 0; i < 50; ++i) {
        fibers.push_back(spawn([&, i] {
            double half = i * 0.5;
            try {
                throw std::runtime_error(std::to_string(i));
            } catch (const std::runtime_error& e) {
                tendril::sleep(1ms * (i % 7 + 1));
                half += 0.5;
                sum += std::stoi(e.what());
            }
            return static_cast<int>(half * 2);
        }));
    }
    generator<int> g([](auto& yield) {
        for (int i = 0;; ++i) yield(i);
    });
    CHECK(g.next() == 0);
    yield();
    for (int i = 0; i < 10; ++i) {
        dump();
        tendril::sleep(1ms);
    }
    for (int i = 0; i < 50; ++i)
        CHECK(fibers[static_cast<std::size_t>(i)].wait() == i + 1);
    CHECK(sum == 50 * 49 / 2);
    CHECK(g.next() == 1);
}

TEST_CASE_FIXTURE(clean_end, "a dump may be taken in a hub callback, and in a fiber") {
    virtual_time time;
    std::string in_callback;
    hub::current().call_soon([&] { in_callback = dump(); });
    tendril::sleep(1ms);
    CHECK(contains(part_of(in_callback, "main fiber"), "waits for sleep"));
    CHECK(frames_in(part_of(in_callback, "main fiber")) >= 4);
    const std::string in_fiber = spawn({.name = "me"}, dump).wait();
    CHECK(contains(in_fiber, "): running"));
    CHECK(contains(part_of(in_fiber, "main fiber"), "waits for a fiber's end of"));
}

TEST_SUITE_END();
