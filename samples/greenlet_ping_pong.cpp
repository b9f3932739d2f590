// Two functions that hand control to each other: greenlets, without any scheduler.
//
// SPDX-License-Identifier: BSL-1.0
#include <tendril/tendril.hpp>

#include <cstdio>

using tendril::greenlet;

int main() {
    greenlet<> func1, func2;

    func1 = greenlet<>([&] {
        std::puts("func1 step1");
        func2.switch_to();
        std::puts("func1 step2");
        func2.switch_to();
    });

    func2 = greenlet<>([&] {
        std::puts("func2 step1");
        func1.switch_to();
        std::puts("func2 step2");
    });

    func1.switch_to();
    // func2 has ended, and with that control went to the one who made it: main. func1
    // still waits in its second switch; as its last handle goes, here, it is unwound.
}
