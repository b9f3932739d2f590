// time_is_virtual.cpp - linked into a program, it makes time virtual on the main thread
// from before main() on.
//
// SPDX-License-Identifier: BSL-1.0
#include <tendril/test/virtual_time.hpp>

namespace {

// Never destroyed: the hub that it drives lives longer than what is static. Kept, so
// that it is no leak.
[[gnu::used]] tendril::test::virtual_time* const time = new tendril::test::virtual_time;

}  // namespace
