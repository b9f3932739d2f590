// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/greenlet.hpp>
#include <tendril/runtime/hub.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>
#include <tendril/runtime/stack.hpp>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <vector>

#include "../support/hub_threads.hpp"
#include "../support/other_thread.hpp"
#include "../support/process_memory.hpp"
#include <doctest/doctest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace tendril;
using test::clean_end;
using test::clean_end_of_threads;

TEST_SUITE_BEGIN("runtime/stack");

namespace {

// Writes to all of a frame of about `Bytes` bytes.
template <std::size_t Bytes>
[[gnu::noinline]] int fill_frame() {
    volatile unsigned char frame[Bytes];
    for (std::size_t i = 0; i < Bytes; i += 512) frame[i] = 1;
    int sum = 0;
    for (std::size_t i = 0; i < Bytes; i += 512) sum += frame[i];
    return sum;
}

constexpr std::size_t KiB = 1024;

// -- the overflow, in a process of its own

volatile bool go_on = true;
std::uintptr_t first_frame = 0;
std::vector<unsigned char*> neighbours;
constexpr std::size_t pattern_size = 8 * KiB;
alignas(16) unsigned char signal_stack[64 * KiB];

[[gnu::noinline]] int recurse(int depth) {
    volatile unsigned char frame[KiB];
    frame[0] = static_cast<unsigned char>(depth);
    return go_on ? recurse(depth + 1) + frame[0] : 0;
}

// Exits with 0 if the fault is in the guard of the stack that ran over, and the stacks
// around it are as they were.
void judge(int, siginfo_t* info, void*) {
    const auto at = reinterpret_cast<std::uintptr_t>(info->si_addr);
    const std::uintptr_t depth = first_frame - at;
    if (depth > default_stack_size + stack_guard_size) _exit(2);
    if (depth < default_stack_size - 16 * KiB) _exit(3);
    for (const unsigned char* n : neighbours) {
        for (std::size_t i = 0; i < pattern_size; ++i) {
            if (n[i] != 0xA5) _exit(4);
        }
    }
    _exit(0);
}

void keep_a_pattern() {
    unsigned char pattern[pattern_size];
    std::memset(pattern, 0xA5, sizeof pattern);
    neighbours.push_back(pattern);
    tendril::sleep(forever);
}

[[noreturn]] void overflow(bool judged) {
    const rlimit no_core{0, 0};
    setrlimit(RLIMIT_CORE, &no_core);

    struct sigaction action {};

    if (judged) {
        stack_t stack{};
        stack.ss_sp = signal_stack;
        stack.ss_size = sizeof signal_stack;
        sigaltstack(&stack, nullptr);
        action.sa_sigaction = judge;
        action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    } else {
        action.sa_handler = SIG_DFL;
    }
    sigaction(SIGSEGV, &action, nullptr);
    for (int i = 0; i < 3; ++i) spawn(keep_a_pattern);
    auto victim = spawn([] {
        yield();
        int here = 0;
        first_frame = reinterpret_cast<std::uintptr_t>(&here);
        return recurse(0);
    });
    for (int i = 0; i < 3; ++i) spawn(keep_a_pattern);
    victim.wait();
    _exit(1);
}

// In a process that begins anew: the child of a fork has no hub.
int status_of(const char* filter) {
    const pid_t child = fork();
    if (child == 0) {
        execl("/proc/self/exe", "runtime_tests", "--no-skip", filter, nullptr);
        _exit(5);
    }
    int status = 0;
    REQUIRE(TEMP_FAILURE_RETRY(waitpid(child, &status, 0)) == child);
    return status;
}

}  // namespace

// Not tests, but what those below run in a child process.
TEST_CASE("a judged overflow" * doctest::skip()) {
    overflow(true);
}

TEST_CASE("an overflow" * doctest::skip()) {
    overflow(false);
}

TEST_CASE("huge stacks" * doctest::skip()) {
    const std::size_t huge = std::size_t{512} * 1024 * 1024 * KiB;
    spawn([] {}).wait();
    const long before = test::resident_pages();
    CHECK(spawn({.stack_size = huge}, fill_frame<1000 * KiB>).wait() == 2000);
    CHECK(test::resident_pages() - before < 600);

    rlimit limit{};
    getrlimit(RLIMIT_AS, &limit);
    limit.rlim_cur = std::size_t{17} << 40;  // one more than what is there for stacks
    setrlimit(RLIMIT_AS, &limit);
    std::vector<fiber<int>> fibers;
    bool refused = false;
    while (!refused && fibers.size() < 64) {
        try {
            fibers.push_back(spawn({.stack_size = 2 * huge}, fill_frame<4 * KiB>));
        } catch (const std::bad_alloc&) {
            refused = true;
        }
    }
    CHECK(refused);
    CHECK_FALSE(fibers.empty());
    for (const auto& f : fibers) CHECK(f.wait() == 8);
    CHECK(spawn([] { return 1; }).wait() == 1);
}

TEST_CASE_FIXTURE(clean_end, "a stack has the size it was asked to have") {
    CHECK(spawn(fill_frame<200 * KiB>).wait() == 400);
    CHECK(spawn({.stack_size = 4096 * KiB}, fill_frame<3500 * KiB>).wait() == 7000);
    CHECK(spawn({.stack_size = minimum_stack_size}, fill_frame<4 * KiB>).wait() == 8);
}

TEST_CASE_FIXTURE(clean_end,
                  "a stack under the minimum is a bad argument that says it") {
    CHECK_THROWS_WITH_AS(
        spawn({.stack_size = minimum_stack_size - 1}, [] {}),
        "a stack of 16383 bytes was asked for; it must be 16384 or more, and at most "
        "1 TiB",
        fiber_error);
    CHECK_THROWS_AS(spawn({.stack_size = 1}, [] {}), fiber_error);
    CHECK_THROWS_AS(spawn({.stack_size = SIZE_MAX}, [] {}), fiber_error);
    CHECK_THROWS_AS(set_default_stack_size(minimum_stack_size - 1), fiber_error);
    CHECK_THROWS_AS(set_default_stack_size(0), fiber_error);
    CHECK(hub::current().live_fibers() == 0);
    CHECK(hub::current().stacks_in_use() == 0);
}

TEST_CASE_FIXTURE(clean_end,
                  "a stack larger than the memory is one until addresses run out") {
    if (test::sanitized) return;  // their shadow of it would be too large
    const int status = status_of("--test-case=huge stacks");
    REQUIRE(WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == 0);
}

TEST_CASE_FIXTURE(clean_end, "the default size is this thread's, and can be set back") {
    CHECK(set_default_stack_size(2048 * KiB) == default_stack_size);
    CHECK(spawn(fill_frame<1800 * KiB>).wait() == 3600);
    CHECK(set_default_stack_size(100'000) == 2048 * KiB);
    CHECK(spawn(fill_frame<64 * KiB>).wait() == 128);
    CHECK(set_default_stack_size(default_stack_size) == 100'000);
    CHECK(spawn(fill_frame<200 * KiB>).wait() == 400);
}

TEST_CASE_FIXTURE(clean_end,
                  "fibers of many sizes live side by side, and all come back") {
    const std::size_t sizes[] = {16 * KiB, 40'000, 64 * KiB, 256 * KiB, 1024 * KiB};
    for (int round = 0; round < 3; ++round) {
        std::vector<fiber<int>> fibers;
        for (int i = 0; i < 50; ++i) {
            fibers.push_back(spawn({.stack_size = sizes[i % 5]}, [] {
                yield();
                return fill_frame<4 * KiB>();
            }));
        }
        set_default_stack_size(sizes[round + 1]);
        for (const auto& f : fibers) CHECK(f.wait() == 8);
    }
    set_default_stack_size(default_stack_size);
    yield();
    CHECK(hub::current().stacks_in_use() == 0);
}

TEST_CASE_FIXTURE(clean_end, "100,000 spawns use one stack, and no new mapping") {
    const hub& h = hub::current();
    spawn([] {}).wait();
    const long before = test::mappings();
    std::size_t most = 0;
    const int spawns = test::repetitions(100'000);
    for (int i = 0; i < spawns; ++i) {
        spawn([] {}).wait();
        most = std::max(most, h.stacks_in_use());
    }
    CHECK(most <= 1);
    if (!test::sanitized)
        CHECK(test::mappings() == before);  // they map memory of their own
}

TEST_CASE_FIXTURE(clean_end, "an ended fiber keeps its stack as long as a handle") {
    const hub& h = hub::current();
    auto f = spawn([] { return 1; });
    f.wait();
    yield();
    CHECK(h.live_fibers() == 0);
    CHECK(h.stacks_in_use() == 1);
    f = {};
    CHECK(h.stacks_in_use() == 0);
}

TEST_CASE_FIXTURE(clean_end_of_threads, "another thread's default is its own") {
    set_default_stack_size(64 * KiB);
    test::on_other_thread([] {
        CHECK(set_default_stack_size(128 * KiB) == default_stack_size);
        CHECK(spawn(fill_frame<100 * KiB>).wait() == 200);
    });
    CHECK(set_default_stack_size(default_stack_size) == 64 * KiB);
}

TEST_CASE_FIXTURE(clean_end,
                  "endless recursion hits the guard and no one else's stack" *
                      doctest::skip(test::under_tsan)) {
    const int status = status_of("--test-case=a judged overflow");
    REQUIRE(WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == 0);
}

TEST_CASE_FIXTURE(clean_end,
                  "what is larger than the stack asked for fits all the same") {
    struct large {
        std::array<unsigned char, 300 * KiB> bytes{};
    };

    // A neighbour on each side, whose frames must stay as they are.
    const auto neighbour = [] {
        volatile unsigned char pattern[8 * KiB];
        for (auto& p : pattern) p = 0xA5;
        yield();
        return std::count(std::begin(pattern), std::end(pattern), 0xA5);
    };
    auto below = spawn({.stack_size = 32 * KiB}, neighbour);
    yield();
    auto result =
        spawn({.stack_size = 16 * KiB}, [] { return std::make_unique<large>(); });
    auto in_place = spawn([]() -> std::optional<large> { return std::nullopt; });
    greenlet<> taker([box = std::optional<large>()] { yield(); },
                     greenlet_ref::current(), 16 * KiB);
    taker.switch_to();
    auto above = spawn({.stack_size = 32 * KiB}, neighbour);
    CHECK(result.wait() != nullptr);
    CHECK_FALSE(in_place.wait());
    CHECK(below.wait() == 8 * KiB);
    CHECK(above.wait() == 8 * KiB);
    yield();
}

TEST_CASE_FIXTURE(clean_end,
                  "endless recursion dies by SIGSEGV" *
                      doctest::skip(test::under_tsan)) {
    const int status = status_of("--test-case=an overflow");
    REQUIRE(WIFSIGNALED(status));
    CHECK(WTERMSIG(status) == SIGSEGV);
}

TEST_SUITE_END();
