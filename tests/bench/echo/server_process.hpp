// server_process.hpp - a server run as a child of the load generator.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <stdexcept>
#include <string>
#include <system_error>

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace bench {

[[noreturn]] inline void fail(const char* what) {
    throw std::system_error(errno, std::generic_category(), what);
}

// Processor time, the system's on behalf of the process included.
inline double busy_seconds(clockid_t of) {
    timespec t{};
    if (clock_gettime(of, &t) != 0) fail("clock_gettime");
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) / 1e9;
}

// Runs `command` until the end of the scope. The process that announces itself may be a
// child of the one started: taskset, strace.
class server_process {
  public:
    explicit server_process(char** command) {
        int ends[2];
        if (pipe(ends) != 0) fail("pipe");
        child_ = fork();
        if (child_ < 0) fail("fork");
        if (child_ == 0) {
            // Should the load generator die, the server goes with it.
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            dup2(ends[1], STDOUT_FILENO);
            close(ends[0]);
            close(ends[1]);
            execvp(command[0], command);
            std::perror(command[0]);
            _exit(127);
        }
        close(ends[1]);
        read_announcement(ends[0], command[0]);
    }

    server_process(const server_process&) = delete;
    server_process& operator=(const server_process&) = delete;

    ~server_process() {
        kill(server_, SIGTERM);
        // Not just the server: strace writes its table after it.
        while (waitpid(child_, nullptr, 0) < 0 && errno == EINTR) {
        }
    }

    std::uint16_t port() const { return port_; }

    double busy_seconds() const {
        clockid_t of{};
        if (clock_getcpuclockid(server_, &of) != 0) fail("clock_getcpuclockid");
        return bench::busy_seconds(of);
    }

  private:
    void read_announcement(int from, const char* name) {
        std::FILE* const line = fdopen(from, "r");
        unsigned port = 0;
        long pid = 0;
        const int read = line ? std::fscanf(line, "%u %ld", &port, &pid) : 0;
        if (line) std::fclose(line);
        if (read != 2) {
            kill(child_, SIGKILL);
            waitpid(child_, nullptr, 0);
            throw std::runtime_error(std::string(name) + " did not start as a server");
        }
        port_ = static_cast<std::uint16_t>(port);
        server_ = static_cast<pid_t>(pid);
    }

    pid_t child_ = -1;
    pid_t server_ = -1;
    std::uint16_t port_ = 0;
};

}  // namespace bench
