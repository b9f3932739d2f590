// live_dangerously.hpp - fibers that are killed and run out of time at random, with a
// seed.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <tendril/runtime/fiber.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>
#include <tendril/runtime/timeout.hpp>

#include <chrono>
#include <random>
#include <vector>

#include "hub_threads.hpp"

namespace tendril::test {

inline constexpr int dangerous_rounds = repetitions(40'000);

using random_source = std::mt19937;

// Keeps four fibers that run body(random) alive, and kills one of them now and then.
template <class F>
void live_dangerously(unsigned seed, F body) {
    random_source random(seed);
    std::vector<fiber<>> victims(4);
    for (int i = 0; i < dangerous_rounds; ++i) {
        fiber<>& victim = victims[random() % victims.size()];
        if (!victim || victim.done()) {
            victim = spawn([&body, own_seed = random()] {
                random_source own(static_cast<unsigned>(own_seed));
                for (;;) body(own);
            });
        } else if (random() % 4 == 0) {
            victim.kill();
        }
        for (auto turns = random() % 3; turns > 0; --turns) yield();
    }
    for (const fiber<>& victim : victims) {
        if (!victim) continue;
        victim.kill();
        victim.join();
    }
}

// Runs f under a limit that is often too short, or without one.
template <class F>
bool in_a_hurry(random_source& random, F f) {
    if (random() % 2 == 0) {
        f();
        return true;
    }
    return timeout::silent(std::chrono::microseconds(random() % 50), f);
}

}  // namespace tendril::test
