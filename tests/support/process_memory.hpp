// process_memory.hpp - what this process has of memory, as the system counts.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>

namespace tendril::test {

inline long mappings() {
    std::ifstream maps("/proc/self/maps");
    return std::count(std::istreambuf_iterator<char>(maps), {}, '\n');
}

// Those that begin neither at `begin` nor between it and `end`.
inline long mappings_outside(const void* begin, const void* end) {
    std::ifstream maps("/proc/self/maps");
    long count = 0;
    for (std::string line; std::getline(maps, line);) {
        std::uintptr_t at = 0;
        if (std::sscanf(line.c_str(), "%zx-", &at) != 1) continue;
        if (at < reinterpret_cast<std::uintptr_t>(begin) ||
            at >= reinterpret_cast<std::uintptr_t>(end)) {
            ++count;
        }
    }
    return count;
}

inline long resident_pages() {
    std::ifstream statm("/proc/self/statm");
    long size = 0, resident = 0;
    statm >> size >> resident;
    return resident;
}

// What the system keeps of the mapping that `at` is in: "rd wr mr mw me ac", as proc(5)
// has it.
inline std::string mapping_flags(const void* at) {
    std::ifstream maps("/proc/self/smaps");
    bool inside = false;
    for (std::string line; std::getline(maps, line);) {
        std::uintptr_t begin = 0, end = 0;
        if (std::sscanf(line.c_str(), "%zx-%zx ", &begin, &end) == 2) {
            const auto address = reinterpret_cast<std::uintptr_t>(at);
            inside = begin <= address && address < end;
        }
        if (inside && line.rfind("VmFlags:", 0) == 0) return line.substr(8);
    }
    return "";
}

}  // namespace tendril::test
