// Which of many files exist: a fiber each, of which a semaphore lets four ask the
// system at a time, in threads, since that may block.
//
// usage: file_checker [--once | FILE...]     --once: a few that every system has or
// lacks
//
// SPDX-License-Identifier: BSL-1.0
#include <tendril/tendril.hpp>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace {

int at_once = 0, most_at_once = 0;

bool exists(const std::string& path) {
    return tendril::blocking([path] { return std::filesystem::exists(path); });
}

std::vector<char> exist(const std::vector<std::string>& paths, int concurrency) {
    tendril::semaphore slots(concurrency);
    std::vector<tendril::fiber<char>> checks;
    checks.reserve(paths.size());
    for (const std::string& path : paths) {
        checks.push_back(tendril::spawn([&slots, &path]() -> char {
            slots.acquire();
            most_at_once = std::max(most_at_once, ++at_once);
            const bool there = exists(path);
            --at_once;
            slots.release();
            return there ? 1 : 0;
        }));
    }
    return tendril::gather(checks);
}

}  // namespace

int main(int argc, char** argv) {
    std::vector<std::string> paths(argv + 1, argv + argc);
    if (paths.empty() || paths[0] == "--once") {
        paths = {"/",
                 "/no such file",
                 "/tmp",
                 "/proc/self/stat",
                 "/no/such/folder/file",
                 "/dev/null"};
    }
    tendril::run([&] {
        const auto there = exist(paths, 4);
        for (std::size_t i = 0; i < paths.size(); ++i) {
            std::printf("%s: %s\n", paths[i].c_str(), there[i] ? "exists" : "missing");
        }
    });
    std::printf("never more than %d at once\n", most_at_once);
}
