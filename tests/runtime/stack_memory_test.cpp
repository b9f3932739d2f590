// stack_memory_test.cpp - what stacks cost: mappings, memory while used, memory after.
//
// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/greenlet.hpp>
#include <tendril/runtime/hub.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>
#include <tendril/runtime/stack.hpp>

#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "../support/hub_threads.hpp"
#include "../support/other_thread.hpp"
#include "../support/process_memory.hpp"
#include "../support/stack_guards.hpp"
#include <doctest/doctest.h>
#include <unistd.h>

using namespace std::chrono_literals;
using namespace tendril;
using test::clean_end;
using test::clean_end_of_threads;
using test::mappings;
using test::resident_pages;

namespace {

constexpr std::size_t KiB = 1024;

// Writes to all of a frame of about `Bytes` bytes.
template <std::size_t Bytes>
[[gnu::noinline]] int fill_frame() {
    volatile unsigned char frame[Bytes];
    for (std::size_t i = 0; i < Bytes; i += 512) frame[i] = 1;
    return frame[Bytes / 2];
}

// The pool of the calling thread, after so many fibers have used it at once.
detail::stack_pool& used_by(int fibers) {
    for (int i = 0; i < fibers; ++i) spawn([] { fill_frame<40 * KiB>(); });
    yield();
    return detail::current_scheduler().stacks;
}

void trim_all(detail::stack_pool& stacks, time_point now) {
    while (stacks.trim_some(now)) {
    }
}

}  // namespace

TEST_SUITE_BEGIN("runtime/stack memory");

TEST_CASE_FIXTURE(clean_end_of_threads,
                  "10,000 stacks of three hubs are one mapping more") {
    if (test::sanitized) return;  // they map memory of their own
    // Two of these hubs have stacks at a time.
    const long for_guards = test::guards_are_free() ? 0 : 2 * 2 * 3'333;
    const long before = mappings();
    const auto many = [&] {
        std::vector<fiber<>> fibers;
        for (int i = 0; i < 3'333; ++i)
            fibers.push_back(spawn([] { yield(), yield(); }));
        yield();
        CHECK(mappings() - before <= 6 + for_guards);
        for (const auto& f : fibers) f.wait();
    };
    many();
    test::on_other_thread(many);
    test::on_other_thread(many);
}

TEST_CASE_FIXTURE(clean_end,
                  "a parked fiber keeps one page, and a little of the heap") {
    if (test::sanitized) return;
    constexpr int count = 5'000;
    std::vector<fiber<>> fibers;
    fibers.reserve(count);
    tendril::sleep(1ns);
    const long before = resident_pages();
    for (int i = 0; i < count; ++i) {
        fibers.push_back(spawn([] { tendril::sleep(forever); }));
    }
    yield();
    const double each = static_cast<double>(resident_pages() - before) * 4 / count;
    CHECK(each <= 4.5);  // KiB
    for (const auto& f : fibers) f.kill();
    fibers.clear();
    yield();
}

TEST_CASE_FIXTURE(clean_end,
                  "stacks that nobody has needed for a while lose their memory") {
    if (test::sanitized) return;
    constexpr int count = 200;
    detail::stack_pool& stacks = used_by(count);
    const long before = resident_pages();
    const time_point begin = stacks.next_trim();
    // They were needed in the interval that ends here, but not in the next one.
    trim_all(stacks, begin);
    CHECK(stacks.may_trim());
    trim_all(stacks, begin + stacks.trim_interval);
    CHECK_FALSE(stacks.may_trim());
    CHECK(before - resident_pages() >= 9L * count);
    // And are as good as new.
    used_by(count);
}

TEST_CASE_FIXTURE(clean_end_of_threads,
                  "an idle hub takes it from them by itself, beside a long sleep") {
    if (test::sanitized) return;
    constexpr int count = 200;
    // In real time: a second or two, since memory is kept for the interval.
    auto sleeper = spawn([] { tendril::sleep(1h); });
    used_by(count);
    const long before = resident_pages();
    bool went = false;
    // This hub has nothing to do meanwhile, and is not woken.
    test::on_other_thread([&] {
        const time_point limit = clock::now() + 20s;
        while (!went && clock::now() < limit) {
            std::this_thread::sleep_for(20ms);
            went = before - resident_pages() >= 9L * count;
        }
    });
    CHECK(went);
    CHECK_FALSE(sleeper.done());
    sleeper.kill();
}

TEST_CASE_FIXTURE(clean_end_of_threads, "no huge page comes under a stack") {
    const auto flags = [] {
        return spawn([] {
                   char here = 0;
                   return test::mapping_flags(&here);
               })
            .wait();
    };
    CHECK(flags().find(" nh") != std::string::npos);
    // A new chunk, and then the same one again, from a thread that has ended.
    for (int i = 0; i < 2; ++i) {
        std::string of_thread;
        test::on_other_thread([&] { of_thread = flags(); });
        CHECK(of_thread.find(" nh") != std::string::npos);
    }
}

TEST_CASE_FIXTURE(clean_end, "those in use in the meantime stay as they are") {
    if (test::sanitized) return;
    detail::stack_pool& stacks = used_by(200);
    time_point at = stacks.next_trim();
    for (; stacks.may_trim(); at += stacks.trim_interval) trim_all(stacks, at);
    for (int rounds = 0; rounds < 3; ++rounds) {
        used_by(100);
        const long before = resident_pages();
        trim_all(stacks, at += stacks.trim_interval);
        CHECK(before - resident_pages() < 20);
    }
    trim_all(stacks, at += stacks.trim_interval);
    trim_all(stacks, at += stacks.trim_interval);
    CHECK_FALSE(stacks.may_trim());
}

TEST_CASE_FIXTURE(clean_end, "what has been recorded is how much each place has used") {
    if (test::sanitized) return;
    used_by(3);  // leaves memory in stacks that those below are not to be charged with
    record_stack_use(true);
    for (int i = 0; i < 5; ++i) spawn([] { fill_frame<60 * KiB>(); }).wait();
    const unsigned long small_line = __LINE__ + 1;
    for (int i = 0; i < 7; ++i) spawn([] { yield(); }).wait();
    greenlet<>([] { fill_frame<100 * KiB>(); }).switch_to();
    record_stack_use(false);
    spawn([] { fill_frame<200 * KiB>(); }).wait();

    std::vector<stack_use> all = recorded_stack_use();
    std::erase_if(all, [](const stack_use& use) {
        return !std::string_view(use.where.file).ends_with("stack_memory_test.cpp");
    });
    REQUIRE(all.size() == 3);
    CHECK(all[0].most >= 100 * KiB);
    CHECK(all[0].most <= 110 * KiB);
    CHECK(all[1].most >= 60 * KiB);
    CHECK(all[1].most <= 70 * KiB);
    CHECK(all[1].count == 5);
    CHECK(all[2].most <= 8 * KiB);
    CHECK(all[2].count == 7);
    CHECK(all[2].where.line == small_line);
    CHECK(all[2].stack_size == default_stack_size);
}

TEST_SUITE_END();
