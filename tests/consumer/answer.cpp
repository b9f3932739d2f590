// answer.cpp - what every consumer project builds: a fiber, and its result on stdout, a
// day later by a clock of its own.
// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>
#include <tendril/test/virtual_time.hpp>

#include <chrono>
#include <iostream>

int main() {
    const tendril::test::virtual_time time;
    auto answer = tendril::spawn([] {
        tendril::sleep(std::chrono::hours(24));
        return 6 * 7;
    });
    std::cout << answer.wait() << '\n';
}
