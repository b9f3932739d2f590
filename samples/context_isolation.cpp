// A context_var is a fiber's own: what one sets, its siblings and its parent do not
// see; its children do, and threads do not.
//
// usage: context_isolation [--once]     --once: nothing else, it always ends
//
// SPDX-License-Identifier: BSL-1.0
#include <tendril/tendril.hpp>

#include <cstdio>
#include <string>
#include <thread>

namespace {

tendril::context_var<std::string> var("default");

void task(const char* value) {
    var.set(value);
    tendril::yield();
    std::printf("Task %s: var = %s\n", value, var.get().c_str());
}

}  // namespace

int main() {
    tendril::run([] {
        tendril::gather([] { task("A"); }, [] { task("B"); });
        std::printf("Main after tasks: %s\n", var.get().c_str());
        var.set("main's");
        tendril::spawn([] {
            std::printf("Child: var = %s\n", var.get().c_str());
        }).wait();
        std::thread([] {
            std::printf("Thread: var = %s\n", var.get().c_str());
        }).join();
    });
}
