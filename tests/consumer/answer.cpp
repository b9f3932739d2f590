// answer.cpp - what every consumer project builds: a fiber, and its result on stdout.
// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/spawn.hpp>

#include <iostream>

int main() {
    auto answer = tendril::spawn([] { return 6 * 7; });
    std::cout << answer.wait() << '\n';
}
