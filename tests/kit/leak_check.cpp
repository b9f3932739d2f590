// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/detail/choices.hpp>
#include <tendril/runtime/hub.hpp>
#include <tendril/test/leak_check.hpp>

#include <memory>
#include <system_error>

#include <dirent.h>

namespace tendril::test {
namespace {

void list(std::string& text, std::size_t now, std::size_t before, const char* what) {
    if (now <= before) return;
    const std::size_t more = now - before;
    text += (text.empty() ? "" : ", ") + std::to_string(more) + " " + what +
            (more == 1 ? "" : "s");
}

}  // namespace

std::size_t open_descriptors() {
    const std::unique_ptr<DIR, int (*)(DIR*)> folder(opendir("/proc/self/fd"),
                                                     closedir);
    if (!folder)
        throw std::system_error(errno, std::system_category(), "/proc/self/fd");
    std::size_t count = 0;
    // NOLINTNEXTLINE(concurrency-mt-unsafe): the folder is this thread's own
    while (readdir(folder.get()) != nullptr) ++count;
    return count;
}

leak_check::leak_check()
    : fibers_(hub::current().live_fibers()),
      stacks_(hub::current().stacks_in_use()),
      timers_(hub::current().armed_timers()),
      descriptors_(open_descriptors()),
      mutexes_(detail::mutexes_held) {}

std::string leak_check::leaks() const {
    const hub& h = hub::current();
    std::string text;
    list(text, h.live_fibers(), fibers_, "fiber");
    list(text, h.stacks_in_use(), stacks_, "stack");
    list(text, h.armed_timers(), timers_, "timer");
    list(text, open_descriptors(), descriptors_, "descriptor");
    const long mutexes = detail::mutexes_held - mutexes_;
    list(text, mutexes > 0 ? static_cast<std::size_t>(mutexes) : 0, 0, "locked mutex");
    return text;
}

}  // namespace tendril::test
