// clean_end.hpp - the fixture of every test: what a test starts must be over at its
// end.
//
//     TEST_CASE_FIXTURE(clean_end, "a claim that could be false") { ... }
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <tendril/runtime/error.hpp>
#include <tendril/runtime/hub.hpp>

#include <cstddef>
#include <string>
#include <vector>

#include <dirent.h>
#include <doctest/doctest.h>

namespace tendril::test {

inline std::size_t open_descriptors() {
    std::size_t count = 0;
    DIR* const dir = opendir("/proc/self/fd");
    while (readdir(dir) != nullptr) ++count;
    closedir(dir);
    return count;
}

// Live fibers, armed timers, stacks and descriptors are as many after the test as
// before, and nothing has been reported to the exception hook that the test has not
// taken.
class clean_end {
  public:
    clean_end()
        : hub_(hub::current()),
          fibers_(hub_.live_fibers()),
          timers_(hub_.armed_timers()),
          stacks_(hub_.stacks_in_use()),
          descriptors_(open_descriptors()),
          old_hook_(
              set_exception_hook([this](std::exception_ptr e, std::string_view where) {
                  reported.push_back(std::string(where) + ": " + detail::describe(e));
              })) {}

    clean_end(const clean_end&) = delete;
    clean_end& operator=(const clean_end&) = delete;

    ~clean_end() {
        set_exception_hook(old_hook_);
        CHECK(hub_.live_fibers() == fibers_);
        CHECK(hub_.armed_timers() == timers_);
        CHECK(hub_.stacks_in_use() == stacks_);
        CHECK(open_descriptors() == descriptors_);
        CHECK_MESSAGE(reported.empty(),
                      (reported.empty() ? std::string() : reported.front()));
    }

    // What the exception hook was told, "where: what". Tests that expect something take
    // it out. Not for errors of other threads.
    std::vector<std::string> reported;

  private:
    hub& hub_;
    std::size_t fibers_;
    std::size_t timers_;
    std::size_t stacks_;
    std::size_t descriptors_;
    exception_hook old_hook_;
};

}  // namespace tendril::test
