// exit_with_suspended.cpp - a process ends with code 0 whatever greenlets it leaves
// behind. The argument says which.
//
// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/generator.hpp>
#include <tendril/runtime/greenlet.hpp>
#include <tendril/runtime/hub.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>

#include <cstdlib>
#include <future>
#include <optional>
#include <string_view>
#include <thread>
#include <vector>

using namespace tendril;

// For leak checkers, which do not see a parked thread's own stack.
std::vector<greenlet<>>* of_the_thread;

namespace {

// How many greenlets have been left with something to destroy on their stacks.
int living = 0;
bool all_must_unwind = true;

struct counted {
    counted() { ++living; }

    counted(const counted&) = delete;
    counted& operator=(const counted&) = delete;

    ~counted() { --living; }
};

// Destroyed after main()'s hub, like everything static.
const struct judge {
    ~judge() {
        if (all_must_unwind && living != 0) std::_Exit(1);
    }
} at_exit;

void suspended() {
    const counted alive;
    for (;;) greenlet<>::current().parent().switch_to();
}

std::vector<greenlet<>> fifty() {
    std::vector<greenlet<>> made;
    for (int i = 0; i < 50; ++i) {
        made.emplace_back(suspended);
        made.back().switch_to();
    }
    return made;
}

// Outlives main(), like everything static.
std::vector<greenlet<>> kept;
std::optional<generator<int>> kept_generator;

void nested(int depth) {
    const counted alive;
    static std::vector<greenlet<>> children;
    if (depth > 0) {
        children.emplace_back([depth] { nested(depth - 1); });
        greenlet<>(children.back()).switch_to();
    }
    suspended();
}

}  // namespace

int main(int argc, char** argv) {
    const std::string_view what = argc > 1 ? argv[1] : "";
    if (what == "suspended") {
        kept = fifty();
    } else if (what == "generator") {
        kept_generator.emplace([](auto& yield) {
            const counted alive;
            for (int i = 0;; ++i) yield(i);
        });
        kept_generator->next();
    } else if (what == "nested") {
        kept.emplace_back([] { nested(10); });
        kept.back().switch_to();
    } else if (what == "thread") {
        std::thread([] { kept = fifty(); }).join();
    } else if (what == "active") {
        // From another stack than main's nobody can be unwound.
        all_must_unwind = false;
        kept = fifty();
        greenlet<>([] { std::exit(0); }).switch_to();
    } else if (what == "fiber") {
        all_must_unwind = false;
        kept = fifty();
        spawn([] { std::exit(0); });
        tendril::yield();
    } else if (what == "detached-thread") {
        // The process ends under its feet.
        all_must_unwind = false;
        std::promise<void> asleep;
        std::thread([&asleep] {
            of_the_thread = new std::vector(fifty());
            hub::current().call_soon([&] { asleep.set_value(); });
            tendril::sleep(forever);
        }).detach();
        asleep.get_future().wait();
    } else {
        return 2;
    }
    return 0;
}
