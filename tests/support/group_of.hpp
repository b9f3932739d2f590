// group_of.hpp - for tests of task_group: members that fail, and what run() throws.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <tendril/sync/exception_group.hpp>

#include <stdexcept>
#include <string>

namespace tendril::test {

[[noreturn]] inline void fail_with(const char* text) {
    throw std::runtime_error(text);
}

// What f() throws, as the sentences of the group.
template <class F>
std::string group_of(F f) {
    try {
        f();
    } catch (const exception_group& g) {
        return g.what();
    }
    return "nothing";
}

}  // namespace tendril::test
