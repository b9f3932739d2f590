// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/detail/scheduler.hpp>
#include <tendril/runtime/run.hpp>

#include <exception>
#include <vector>

namespace tendril::detail {
namespace {

// Waits for the end of `f`, whatever is thrown in meanwhile; returns the first of that.
std::exception_ptr join_regardless(const any_fiber& f) {
    std::exception_ptr thrown_in;
    while (!f.done()) {
        try {
            f.join();
        } catch (...) {
            if (!thrown_in) thrown_in = std::current_exception();
            f.kill();
        }
    }
    return thrown_in;
}

std::vector<any_fiber> living_since(std::uint64_t begin) {
    std::vector<any_fiber> found;
    scheduler& s = *this_scheduler;
    s.living.for_each([&](registry_hook& h) {
        fiber_core& core = *h.core;
        const bool idle_greenlet = core.kind == fiber_kind::greenlet && !core.started;
        if (core.id < begin || idle_greenlet || &core == s.current) return;
        retain(core);
        found.push_back(fiber_access::handle<void>(core));
    });
    return found;
}

}  // namespace

void finish_run(const any_fiber& first, std::uint64_t begin) {
    std::exception_ptr thrown_in = join_regardless(first);
    // What is left over may spawn more while it cleans up.
    for (auto left = living_since(begin); !left.empty(); left = living_since(begin)) {
        for (const any_fiber& f : left) f.kill();
        for (const any_fiber& f : left) {
            const std::exception_ptr e = join_regardless(f);
            if (!thrown_in) thrown_in = e;
        }
    }
    if (thrown_in) std::rethrow_exception(thrown_in);
}

}  // namespace tendril::detail
