// SPDX-License-Identifier: BSL-1.0
#include <tendril/net/detail/blocking.hpp>
#include <tendril/net/detail/zygote.hpp>
#include <tendril/runtime/cancel.hpp>
#include <tendril/runtime/detail/thread_status.hpp>
#include <tendril/runtime/error.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <span>
#include <string>
#include <system_error>
#include <utility>

#include <dirent.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

namespace tendril::detail {

struct zygote::order {
    pid_t bury;  // 0: make a worker
    bool now;
};

struct zygote::answer {
    pid_t process = 0;  // 0: none could be made
    int status = 0;     // of the one buried; else why there is none
};

// Goes with an answer; -1 for none.
struct zygote::handed {
    int socket = -1;
    int process = -1;
    bool truncated = false;
};

namespace {

void require_one_thread() {
    const std::size_t threads = thread_count();
    if (threads <= 1) return;
    fail(
        errc::has_threads,
        "a process pool was made in a process of " + std::to_string(threads) +
            " threads: a fork would copy the locks that the others hold; make it first "
            "in main, before any other thread (std::thread, hub_thread, thread_pool, "
            "watchdog, a blocking() call)");
}

std::array<int, 2> make_pair(int type) {
    std::array<int, 2> pair{};
    if (socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, pair.data()) != 0) {
        throw std::system_error(errno, std::system_category(), "socketpair");
    }
    return pair;
}

// What is sent and received at once: an answer, and what descriptors go with it.
class message {
  public:
    static constexpr std::size_t most = 2;

    message(void* data, std::size_t size) : part_{.iov_base = data, .iov_len = size} {
        header_.msg_iov = &part_;
        header_.msg_iovlen = 1;
    }

    msghdr* to_receive() noexcept {
        header_.msg_control = room_;
        header_.msg_controllen = sizeof room_;
        return &header_;
    }

    // REQUIRES  no more than `most`.
    const msghdr* with(std::span<const int> descriptors) noexcept {
        if (descriptors.empty()) return &header_;
        header_.msg_control = room_;
        header_.msg_controllen = CMSG_SPACE(descriptors.size_bytes());
        cmsghdr* const c = CMSG_FIRSTHDR(&header_);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(descriptors.size_bytes());
        std::memcpy(CMSG_DATA(c), descriptors.data(), descriptors.size_bytes());
        return &header_;
    }

    // Those that have come, -1 for the others.
    std::array<int, most> descriptors() noexcept {
        std::array<int, most> all{-1, -1};
        const cmsghdr* const c = CMSG_FIRSTHDR(&header_);
        if (c != nullptr && c->cmsg_type == SCM_RIGHTS) {
            std::memcpy(all.data(), CMSG_DATA(c),
                        std::min(sizeof all, c->cmsg_len - CMSG_LEN(0)));
        }
        return all;
    }

    // Not all of them have: there is no room for them in this process.
    bool truncated() const noexcept { return (header_.msg_flags & MSG_CTRUNC) != 0; }

  private:
    alignas(cmsghdr) char room_[CMSG_SPACE(most * sizeof(int))] = {};
    iovec part_;
    msghdr header_{};
};

// -- in the zygote, which has one thread, and may do what it likes

// As in a new program: but Ctrl-C is for the parent.
void reset_signals() noexcept {
    for (int s = 1; s < NSIG; ++s) std::signal(s, s == SIGINT ? SIG_IGN : SIG_DFL);
    sigset_t none;
    sigemptyset(&none);
    pthread_sigmask(SIG_SETMASK, &none, nullptr);
}

// Ends with `parent`.
void follow(pid_t parent) noexcept {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(0);
}

// What a new program would not have, it has not either: or a connection that the
// parent closes would stay open here.
void close_all_but(int kept) noexcept {
    DIR* const dir = opendir("/proc/self/fd");
    if (dir == nullptr) return;
    // NOLINTNEXTLINE(concurrency-mt-unsafe): there is one thread
    while (const dirent* const entry = readdir(dir)) {
        const int fd = std::atoi(entry->d_name);
        if (fd <= 2 || fd == kept || fd == dirfd(dir)) continue;
        const int flags = fcntl(fd, F_GETFD);
        if (flags >= 0 && (flags & FD_CLOEXEC) != 0) close(fd);
    }
    closedir(dir);
}

int wait_for_end(pid_t worker, bool now) noexcept {
    if (now) kill(worker, SIGKILL);
    constexpr int looks = 1000;
    for (int look = 0;; ++look) {
        int status = -1;
        if (look == looks) kill(worker, SIGKILL);
        const pid_t ended = waitpid(worker, &status, look < looks ? WNOHANG : 0);
        if (ended == worker) return status;
        if (ended < 0 && errno != EINTR) return -1;
        const timespec millisecond{.tv_sec = 0, .tv_nsec = 1'000'000};
        nanosleep(&millisecond, nullptr);
    }
}

}  // namespace

// True if the parent has taken it.
bool zygote::answer_with(int socket, answer a, handed h) noexcept {
    message m(&a, sizeof a);
    const std::array<int, message::most> both{h.socket, h.process};
    const std::size_t count = h.socket < 0 ? 0 : h.process < 0 ? 1 : 2;
    const msghdr* const all = m.with(std::span(both).first(count));
    return sendmsg(socket, all, MSG_NOSIGNAL) >= 0;
}

bool zygote::make_worker(int socket, worker_body body) noexcept {
    const pid_t self = getpid();
    std::array<int, 2> pair{-1, -1};
    const int failed = socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair.data());
    const pid_t worker = failed == 0 ? fork() : -1;
    if (worker == 0) {
        follow(self);
        close(socket);
        close(pair[0]);
        prctl(PR_SET_NAME, "tendril-worker");
        body(pair[1]);
        _exit(0);
    }
    const int error = errno;
    if (worker < 0) {
        if (failed == 0) close(pair[0]), close(pair[1]);
        return answer_with(socket, {.process = 0, .status = error}, {});
    }
    // None in an old system: then only the socket tells of its end.
    const process_handle handle(static_cast<int>(syscall(SYS_pidfd_open, worker, 0)));
    const bool told = answer_with(socket, {.process = worker},
                                  {.socket = pair[0], .process = handle.fd()});
    close(pair[0]), close(pair[1]);
    return told;
}

void zygote::serve(int socket, pid_t parent, worker_body body) noexcept {
    follow(parent);
    reset_signals();
    close_all_but(socket);
    prctl(PR_SET_NAME, "tendril-zygote");
    for (;;) {
        order o{};
        const ssize_t got = recv(socket, &o, sizeof o, 0);
        if (got < 0 && errno == EINTR) continue;
        if (got != sizeof o) _exit(0);
        const bool told =
            o.bury == 0
                ? make_worker(socket, body)
                : answer_with(
                      socket,
                      {.process = o.bury, .status = wait_for_end(o.bury, o.now)}, {});
        if (!told) _exit(0);
    }
}

// -- in the parent

zygote::zygote(worker_body body) : owner_(getpid()) {
    require_one_thread();
    const std::array<int, 2> pair = make_pair(SOCK_SEQPACKET);
    fcntl(pair[0], F_SETFL, O_NONBLOCK);
    try {
        socket_ = descriptor_owner::of_new(pair[0]);
    } catch (...) {
        close(pair[1]);
        throw;
    }
    // Or what is in the buffers would be written twice.
    std::fflush(nullptr);
    process_ = fork();
    if (process_ == 0) {
        close(pair[0]);
        serve(pair[1], owner_, body);
    }
    const int error = errno;
    close(pair[1]);
    if (process_ < 0) throw std::system_error(error, std::system_category(), "fork");
}

zygote::~zygote() {
    if (getpid() != owner_) return;
    kill();
    while (waitpid(process_, nullptr, 0) < 0 && errno == EINTR) continue;
}

void zygote::kill() noexcept {
    ::kill(process_, SIGKILL);
}

zygote::answer zygote::ask(const order& o, handed& h) {
    const uninterrupted here;
    const std::lock_guard held(asking_);
    std::error_code ec;
    {
        const descriptor::use writing(*socket_, direction::write);
        transfer_bytes(writing, forever, ec, [&] {
            return ::send(writing.fd(), &o, sizeof o, MSG_NOSIGNAL);
        });
    }
    answer a;
    message m(&a, sizeof a);
    std::size_t got = 0;
    if (!ec) {
        const descriptor::use reading(*socket_, direction::read);
        got = transfer_bytes(reading, forever, ec, [&] {
            return ::recvmsg(reading.fd(), m.to_receive(), MSG_CMSG_CLOEXEC);
        });
    }
    if (!ec && got != sizeof a) ec = std::make_error_code(std::errc::broken_pipe);
    if (ec) throw std::system_error(ec, "the process that makes workers");
    const auto [socket, process] = m.descriptors();
    h = {.socket = socket, .process = process, .truncated = m.truncated()};
    return a;
}

zygote::worker zygote::make() {
    handed h;
    const answer a = ask({.bury = 0, .now = false}, h);
    if (a.process == 0) {
        throw std::system_error(a.status, std::system_category(), "fork of a worker");
    }
    process_handle handle(h.process);
    if (h.socket >= 0 && !h.truncated) {
        return {.process = a.process, .socket = h.socket, .handle = std::move(handle)};
    }
    if (h.socket >= 0) close(h.socket);
    bury(a.process, true);
    throw std::system_error(EMFILE, std::system_category(), "the socket of a worker");
}

int zygote::bury(pid_t process, bool now) noexcept {
    try {
        handed none;
        return ask({.bury = process, .now = now}, none).status;
    } catch (...) {
        return -1;
    }
}

}  // namespace tendril::detail
