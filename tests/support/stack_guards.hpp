// stack_guards.hpp - what guards of stacks cost on this system.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>
#include <cstdlib>
#include <string_view>

#include <sys/mman.h>

namespace tendril::test {

// Nothing, by MADV_GUARD_INSTALL (Linux 6.13); else a mapping more for the guard and
// one for the stack. Asks the system, not the library, so that a library which does not
// use it is found out.
inline bool guards_are_free() {
    const char* const wish = std::getenv("TENDRIL_STACK_GUARDS");
    if (wish != nullptr && wish == std::string_view("mprotect")) return false;
    constexpr std::size_t size = 4096;
    constexpr int madv_guard_install = 102;
    void* const page =
        mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    const bool free =
        page != MAP_FAILED && madvise(page, size, madv_guard_install) == 0;
    munmap(page, size);
    return free;
}

}  // namespace tendril::test
