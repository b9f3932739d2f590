// A result, an error and a cancelled task, gathered: asyncio prints
// [1, ZeroDivisionError('division by zero'), CancelledError()].
//
// usage: gather_outcomes [--once]     --once: a second is over in ten milliseconds
//
// SPDX-License-Identifier: BSL-1.0
#include <tendril/tendril.hpp>

#include <chrono>
#include <cstdio>
#include <stdexcept>
#include <string>
#include <string_view>

namespace {

tendril::duration second = std::chrono::seconds(1);

int worker_1() {
    tendril::sleep(second);
    return 1;
}

int divided(int dividend, int divisor) {
    if (divisor == 0) throw std::domain_error("division by zero");
    return dividend / divisor;
}

int worker_2() {
    tendril::sleep(2 * second);
    return divided(2, 0);
}

int worker_3() {
    tendril::sleep(3 * second);
    return 3;
}

std::string text(const tendril::outcome<int>& o) {
    try {
        return std::to_string(o.value());
    } catch (const std::domain_error& e) {
        return std::string("domain_error('") + e.what() + "')";
    } catch (const tendril::greenlet_exit&) {
        return "greenlet_exit()";
    }
}

}  // namespace

int main(int argc, char** argv) {
    if (argc > 1 && std::string_view(argv[1]) == "--once") second /= 100;
    tendril::run([] {
        const auto task_1 = tendril::spawn(worker_1);
        const auto task_2 = tendril::spawn(worker_2);
        const auto task_3 = tendril::spawn(worker_3);
        tendril::sleep(2 * second);
        task_3.kill();
        const auto [a, b, c] =
            tendril::gather(tendril::return_exceptions, task_1, task_2, task_3);
        std::printf("[%s, %s, %s]\n", text(a).c_str(), text(b).c_str(),
                    text(c).c_str());
    });
}
