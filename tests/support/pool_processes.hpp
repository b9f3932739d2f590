// pool_processes.hpp - for tests of process pools: what becomes of their processes.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <tendril/net/detail/io_driver.hpp>

#include <cerrno>
#include <fstream>
#include <string>

#include "clean_end.hpp"
#include "descriptors.hpp"
#include <poll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace tendril::test {

// What a thread keeps open once it has had a pool; made before clean_end counts.
class made_pool_descriptors : made_epoll {
  public:
    made_pool_descriptors() { detail::current_io_driver(); }
};

class clean_pool_end : made_pool_descriptors, public clean_end {};

// Has ended, or does within ten seconds: what ends with its parent does so by a signal
// that is on its way when that has ended.
inline bool is_gone(pid_t process) {
    const owned_descriptor handle(
        static_cast<int>(syscall(SYS_pidfd_open, process, 0)));
    if (handle.fd() < 0) return errno == ESRCH;
    pollfd end{.fd = handle.fd(), .events = POLLIN, .revents = 0};
    int ended = 0;
    do ended = poll(&end, 1, 10'000);
    while (ended < 0 && errno == EINTR);
    return ended > 0;
}

// From its third on, the fields of what the system tells of a process.
inline std::string status_of(pid_t process) {
    std::ifstream file("/proc/" + std::to_string(process) + "/stat");
    std::string all;
    std::getline(file, all);
    return all.substr(all.rfind(')') + 2);
}

// 'Z': it has ended, and its parent has not asked for it.
inline char state_of(pid_t process) {
    return status_of(process).at(0);
}

inline pid_t parent_of(pid_t process) {
    return std::stoi(status_of(process).substr(2));
}

// 0 if it has none.
inline pid_t child_of(pid_t process) {
    const std::string id = std::to_string(process);
    std::ifstream file("/proc/" + id + "/task/" + id + "/children");
    pid_t child = 0;
    file >> child;
    return child;
}

inline bool has_children() {
    return waitpid(-1, nullptr, WNOHANG) >= 0 || errno != ECHILD;
}

}  // namespace tendril::test
