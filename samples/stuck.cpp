// A deadlock that explains itself.
//
// usage: stuck [--once]
//
// SPDX-License-Identifier: BSL-1.0
#include <tendril/tendril.hpp>

#include <cstdio>
#include <cstring>

namespace {

tendril::queue<int> left, right;

// Each waits for the other to begin.
void dance() {
    auto one = tendril::spawn({.name = "one"}, [] { left.get(), right.put(1); });
    auto two = tendril::spawn({.name = "two"}, [] { right.get(), left.put(2); });
    one.wait();
}

}  // namespace

int main(int argc, char** argv) {
    const bool once = argc > 1 && std::strcmp(argv[1], "--once") == 0;
    try {
        tendril::run(dance);
    } catch (const tendril::deadlock& d) {
        std::fputs(d.what(), stdout);
        return once ? 0 : 1;
    }
    return once ? 1 : 0;
}
