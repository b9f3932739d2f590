// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/detail/thread_status.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <fstream>
#include <sstream>
#include <string>

#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

namespace tendril::detail {
namespace {

struct system_call {
    long number;
    const char* name;
    bool of_descriptor;  // its first argument
};

// Those that one can wait in for long.
constexpr std::array system_calls {
    system_call{SYS_read, "read", true}, system_call{SYS_readv, "readv", true},
        system_call{SYS_pread64, "pread64", true},
        system_call{SYS_write, "write", true}, system_call{SYS_writev, "writev", true},
        system_call{SYS_pwrite64, "pwrite64", true},
        system_call{SYS_recvfrom, "recvfrom", true},
        system_call{SYS_recvmsg, "recvmsg", true},
        system_call{SYS_recvmmsg, "recvmmsg", true},
        system_call{SYS_sendto, "sendto", true},
        system_call{SYS_sendmsg, "sendmsg", true},
        system_call{SYS_sendmmsg, "sendmmsg", true},
        system_call{SYS_sendfile, "sendfile", true},
        system_call{SYS_splice, "splice", true},
        system_call{SYS_accept, "accept", true},
        system_call{SYS_accept4, "accept4", true},
        system_call{SYS_connect, "connect", true},
        system_call{SYS_fsync, "fsync", true},
        system_call{SYS_fdatasync, "fdatasync", true},
        system_call{SYS_flock, "flock", true}, system_call{SYS_fcntl, "fcntl", true},
        system_call{SYS_ioctl, "ioctl", true},
        system_call{SYS_epoll_pwait, "epoll_pwait", true},
        system_call{SYS_ppoll, "ppoll", false},
        system_call{SYS_pselect6, "pselect6", false},
        system_call{SYS_futex, "futex", false},
        system_call{SYS_nanosleep, "nanosleep", false},
        system_call{SYS_clock_nanosleep, "clock_nanosleep", false},
        system_call{SYS_wait4, "wait4", false},
        system_call{SYS_waitid, "waitid", false},
        system_call{SYS_openat, "openat", false},
        system_call{SYS_unlinkat, "unlinkat", false},
        system_call{SYS_mmap, "mmap", false}, system_call{SYS_munmap, "munmap", false},
        system_call{SYS_madvise, "madvise", false},
        system_call{SYS_msync, "msync", false},
        system_call{SYS_rt_sigtimedwait, "rt_sigtimedwait", false},
        system_call{SYS_rt_sigsuspend, "rt_sigsuspend", false},
#if defined(__x86_64__)
        system_call{SYS_poll, "poll", false}, system_call{SYS_select, "select", false},
        system_call{SYS_epoll_wait, "epoll_wait", true},
        system_call{SYS_pause, "pause", false}, system_call{SYS_open, "open", false},
        system_call{SYS_unlink, "unlink", false},
        system_call{SYS_rename, "rename", false},
#endif
};

std::string file_of(pid_t thread, const char* name) {
    return "/proc/self/task/" + std::to_string(thread) + "/" + name;
}

std::string descriptor(unsigned long fd) {
    const std::string link = "/proc/self/fd/" + std::to_string(fd);
    std::array<char, 200> target{};
    const ssize_t size = readlink(link.c_str(), target.data(), target.size());
    const std::string what(target.data(),
                           static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
    return std::to_string(fd) + (what.empty() ? "" : ", " + what);
}

}  // namespace

std::size_t thread_count() noexcept {
    struct stat tasks {};

    if (stat("/proc/self/task", &tasks) != 0) return 0;
    // Links of the folder: itself, its entry in its parent, and one for each thread.
    return tasks.st_nlink - 2;
}

thread_use use_of(pid_t thread) {
    thread_use use;
    // The clock of a thread's processor time, as pthread_getcpuclockid() makes it.
    const auto clock =
        static_cast<clockid_t>((~static_cast<unsigned>(thread) << 3U) | 6U);
    timespec time{};
    if (clock_gettime(clock, &time) == 0) {
        use.processor =
            std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
    }

    std::ifstream file(file_of(thread, "stat"));
    std::string all;
    std::getline(file, all);
    // The second field is the thread's name, which may have anything in it.
    std::istringstream rest(all.substr(std::min(all.size(), all.rfind(')') + 1)));
    char state = 0;
    std::string skipped;
    std::uint64_t minor = 0, of_children = 0, major = 0;
    rest >> state;
    for (int field = 4; field < 10; ++field) rest >> skipped;
    rest >> minor >> of_children >> major;
    use.runnable = state == 'R';
    use.faults = minor + major;
    return use;
}

std::string system_call_of(pid_t thread) {
    std::ifstream file(file_of(thread, "syscall"));
    long number = -1;
    if (!(file >> number) || number < 0) return "";
    unsigned long argument = 0;
    file >> std::hex >> argument;
    const auto* const known =
        std::find_if(system_calls.begin(), system_calls.end(),
                     [=](const system_call& c) { return c.number == number; });
    if (known == system_calls.end()) return "system call " + std::to_string(number);
    return known->of_descriptor
               ? std::string(known->name) + "(" + descriptor(argument) + ")"
               : known->name;
}

}  // namespace tendril::detail
