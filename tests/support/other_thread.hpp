// other_thread.hpp - tests with more than one thread.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <tendril/runtime/hub.hpp>
#include <tendril/runtime/trace.hpp>

#include <cstdint>
#include <exception>
#include <latch>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "clean_end.hpp"

namespace tendril::test {

// Doorbells are never closed, only handed on. Made before clean_end counts descriptors,
// there are enough of them for the threads of a test.
class spare_doorbells {
  public:
    spare_doorbells() {
        hub::current();  // this thread's own comes first
        constexpr int count = 16;
        std::latch all_have_one(count);
        std::vector<std::jthread> owners;
        for (int i = 0; i < count; ++i) {
            owners.emplace_back([&] {
                hub::current();
                all_have_one.arrive_and_wait();
            });
        }
    }
};

class clean_end_of_threads : spare_doorbells, public clean_end {};

// Expires when the calling thread's hub is freed: the hub owns the tracer.
inline std::weak_ptr<int> freed_with_hub() {
    auto owned = std::make_shared<int>(0);
    set_trace([owned](trace_event, std::uint64_t, std::uint64_t) {});
    return owned;
}

// Runs f() on a thread of its own, and this thread's hub meanwhile, until that thread
// has ended. What f throws is thrown here.
template <class F>
void on_other_thread(F f) {
    hub& home = hub::current();
    std::exception_ptr error;
    std::thread other([&] {
        try {
            f();
        } catch (...) {
            error = std::current_exception();
        }
        home.stop();
    });
    home.run_forever();
    other.join();
    if (error) std::rethrow_exception(error);
}

}  // namespace tendril::test
