// A generator that takes values too: next() steps on by one, send(n) jumps by n.
//
// SPDX-License-Identifier: BSL-1.0
#include <tendril/tendril.hpp>

#include <cstdio>

namespace {

// Yields int and is sent int. yield() returns what was sent, or nothing after next().
tendril::generator<int, int> jumping_range(int up_to) {
    return tendril::generator<int, int>([up_to](auto& yield) {
        int index = 0;
        while (index < up_to) {
            index += yield(index).value_or(1);
        }
    });
}

}  // namespace

int main() {
    auto range = jumping_range(5);
    std::printf("%d\n", *range.next());    // 0
    std::printf("%d\n", *range.send(2));   // 2
    std::printf("%d\n", *range.next());    // 3
    std::printf("%d\n", *range.send(-1));  // 2
    for (int i : range) {
        std::printf("%d\n", i);  // 3, 4
    }
}
