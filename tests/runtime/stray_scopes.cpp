// stray_scopes.cpp - scopes that are left where going on would be to write to what is
// gone: a sentence, and std::terminate. The argument says which case; the exit code
// says whether it is as it should be.
//
// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/cancel.hpp>
#include <tendril/runtime/error.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>
#include <tendril/runtime/timeout.hpp>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <optional>
#include <string>
#include <string_view>
#include <thread>

using namespace std::chrono_literals;
using namespace tendril;

namespace {

std::string expected;
std::string told;

// Returns only if nothing was wrong with what f did.
template <class F>
void dies(const char* sentence, F f) {
    expected = std::string("tendril::fiber_error: a ") + sentence +
               "; scopes are for local variables";
    f();
}

void shield_on_other_thread() {
    std::optional<uninterrupted> stray(std::in_place);
    std::thread([&] { stray.reset(); }).join();
}

void timeout_on_other_thread() {
    std::optional<timeout> stray(std::in_place, 1h);
    std::thread([&] { stray.reset(); }).join();
}

void timeout_on_its_way() {
    std::optional<timeout> stray;
    auto f = spawn([&] {
        stray.emplace(1ms);
        // Up, but not thrown yet, when its turn comes.
        hub::current().call_later(1ms, [&] { stray.reset(); });
        sleep(1h);
    });
    f.wait();
}

}  // namespace

int main(int argc, char** argv) {
    set_exception_hook([](const std::exception_ptr& error, std::string_view) {
        told = tendril::detail::describe(error);
    });
    std::set_terminate([] {
        std::fprintf(stderr, "told: %s\n", told.c_str());
        std::_Exit(told == expected ? 0 : 1);
    });
    const std::string_view what = argc > 1 ? argv[1] : "";
    if (what == "shield") {
        dies("scope or shield was left on another thread than its own",
             shield_on_other_thread);
    }
    if (what == "timeout") {
        dies("timeout was destroyed on another thread", timeout_on_other_thread);
    }
    if (what == "thrown") {
        dies("timeout was destroyed as it was to be thrown", timeout_on_its_way);
    }
    return 1;
}
