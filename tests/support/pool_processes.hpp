// pool_processes.hpp - for tests of process pools: what becomes of their processes.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <tendril/net/detail/io_driver.hpp>

#include <cerrno>
#include <csignal>
#include <fstream>
#include <string>

#include "clean_end.hpp"
#include "hub_threads.hpp"
#include <sys/wait.h>
#include <unistd.h>

namespace tendril::test {

// Its descriptors stay open; made before clean_end counts.
class made_driver {
  public:
    made_driver() { detail::current_io_driver(); }
};

class clean_pool_end : made_driver, public clean_end {};

inline bool is_gone(pid_t process) {
    return kill(process, 0) != 0 && errno == ESRCH;
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

inline bool has_children() {
    return waitpid(-1, nullptr, WNOHANG) >= 0 || errno != ECHILD;
}

}  // namespace tendril::test
