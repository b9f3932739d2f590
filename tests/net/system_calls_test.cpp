// What the library asks of the system: how often, and what it makes of the answers.
// An executable of its own, since it stands in for the calls of the C library.
//
// SPDX-License-Identifier: BSL-1.0
#include <tendril/net/listener.hpp>
#include <tendril/net/serve.hpp>
#include <tendril/net/socket.hpp>
#include <tendril/runtime/hub.hpp>
#include <tendril/runtime/run.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>
#include <tendril/test/virtual_time.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <ctime>
#include <functional>
#include <initializer_list>
#include <string>
#include <vector>

#include "../support/loopback.hpp"
#include <doctest/doctest.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>

namespace {

// A system call: how often it has been made, and the errors it is to answer with first.
struct call {
    long made = 0;
    std::vector<int> errors;

    bool fails() {
        ++made;
        if (errors.empty()) return false;
        errno = errors.front();
        errors.erase(errors.begin());
        return true;
    }
};

call waits, controls, recvs, sends, accepts, connects, maps;
std::function<void(int)> before_wait;  // given the time limit
long allocations = 0;

// The system's time, in nanoseconds, while a test stands in for that too: it passes
// when epoll_wait would wait, and only then.
struct {
    bool stands_in = false;
    std::int64_t now = 0;
    int timer = -1;  // the timerfd, and when it is to go off
    std::int64_t alarm = 0;

    timespec as_timespec() const {
        return {.tv_sec = now / 1'000'000'000, .tv_nsec = now % 1'000'000'000};
    }
} system_time;

int system_epoll_wait(int fd, epoll_event* events, int most, int timeout) {
    return static_cast<int>(
        syscall(SYS_epoll_pwait, fd, events, most, timeout, nullptr, 8));
}

int system_timerfd_settime(int fd, int flags, const itimerspec* when) {
    return static_cast<int>(syscall(SYS_timerfd_settime, fd, flags, when, nullptr));
}

void forget_calls() {
    for (call* c : {&waits, &controls, &recvs, &sends, &accepts, &connects})
        c->made = 0;
    allocations = 0;
}

}  // namespace

extern "C" {

int epoll_wait(int fd, epoll_event* events, int most, int timeout) {
    if (before_wait) before_wait(timeout);
    if (waits.fails()) return -1;
    if (!system_time.stands_in || timeout == 0)
        return system_epoll_wait(fd, events, most, timeout);
    const int ready = system_epoll_wait(fd, events, most, 0);
    if (ready != 0) return ready;
    if (timeout > 0) {
        system_time.now += timeout * std::int64_t{1'000'000};
        return 0;
    }
    // Without a limit: until the timer goes off, which is now.
    system_time.now = std::max(system_time.now, system_time.alarm);
    const itimerspec at_once{.it_interval = {},
                             .it_value = {.tv_sec = 0, .tv_nsec = 1}};
    system_timerfd_settime(system_time.timer, 0, &at_once);
    return system_epoll_wait(fd, events, most, -1);
}

int timerfd_settime(int fd,
                    int flags,
                    const itimerspec* when,
                    itimerspec* /*before*/) noexcept {
    if (!system_time.stands_in) return system_timerfd_settime(fd, flags, when);
    system_time.timer = fd;
    system_time.alarm =
        when->it_value.tv_sec * std::int64_t{1'000'000'000} + when->it_value.tv_nsec;
    return 0;
}

int clock_gettime(clockid_t clock, timespec* now) noexcept {
    if (!system_time.stands_in || clock != CLOCK_MONOTONIC)
        return static_cast<int>(syscall(SYS_clock_gettime, clock, now));
    *now = system_time.as_timespec();
    return 0;
}

int epoll_ctl(int fd, int what, int target, epoll_event* event) noexcept {
    if (controls.fails()) return -1;
    return static_cast<int>(syscall(SYS_epoll_ctl, fd, what, target, event));
}

ssize_t recv(int fd, void* buffer, size_t size, int flags) {
    if (recvs.fails()) return -1;
    return syscall(SYS_recvfrom, fd, buffer, size, flags, nullptr, nullptr);
}

ssize_t send(int fd, const void* buffer, size_t size, int flags) {
    if (sends.fails()) return -1;
    return syscall(SYS_sendto, fd, buffer, size, flags, nullptr, 0);
}

int accept4(int fd, sockaddr* address, socklen_t* size, int flags) {
    if (accepts.fails()) return -1;
    return static_cast<int>(syscall(SYS_accept4, fd, address, size, flags));
}

// By which the range of all stacks grows.
int mprotect(void* at, size_t size, int access) noexcept {
    if (maps.fails()) return -1;
    return static_cast<int>(syscall(SYS_mprotect, at, size, access));
}

// And if there is no such range, this.
void* mmap(
    void* at, size_t size, int access, int flags, int fd, off_t offset) noexcept {
    if ((flags & MAP_STACK) != 0 && maps.fails()) return MAP_FAILED;
    return reinterpret_cast<void*>(
        syscall(SYS_mmap, at, size, access, flags, fd, offset));
}

int connect(int fd, const sockaddr* address, socklen_t size) {
    const int result = static_cast<int>(syscall(SYS_connect, fd, address, size));
    if (connects.fails()) return -1;
    return result;
}

#ifdef TENDRIL_SANITIZED
int __sanitizer_install_malloc_and_free_hooks(void (*)(const volatile void*, size_t),
                                              void (*)(const volatile void*));
#else
void* __libc_malloc(size_t size);
void* __libc_calloc(size_t count, size_t size);
void* __libc_realloc(void* block, size_t size);

void* malloc(size_t size) noexcept {
    ++allocations;
    return __libc_malloc(size);
}

void* calloc(size_t count, size_t size) noexcept {
    ++allocations;
    return __libc_calloc(count, size);
}

void* realloc(void* block, size_t size) noexcept {
    ++allocations;
    return __libc_realloc(block, size);
}
#endif

}  // extern "C"

using namespace std::chrono_literals;
using namespace tendril;
using test::clean_net_end;
using test::code_of;
using test::connect_pair;
using test::read_some;
using test::registered;
using test::send_urgent;

TEST_SUITE_BEGIN("net/system calls");

namespace {

// Asio's public interface costs an allocation and an epoll_ctl for each wait, and has a
// timer of its own.
#ifdef TENDRIL_ASIO_PUBLIC_ONLY
constexpr bool only_public = true;
#else
constexpr bool only_public = false;
#endif

void count_allocations() {
#ifdef TENDRIL_SANITIZED
    static const int installed = __sanitizer_install_malloc_and_free_hooks(
        [](const volatile void*, size_t) { ++allocations; },
        [](const volatile void*) {});
    REQUIRE(installed > 0);
#endif
}

// From the true time on.
class stopped_clock {
  public:
    stopped_clock() {
        const duration since_boot = clock::now().time_since_epoch();
        system_time.now = since_boot.count();
        system_time.stands_in = true;
    }

    stopped_clock(const stopped_clock&) = delete;
    stopped_clock& operator=(const stopped_clock&) = delete;

    ~stopped_clock() { system_time.stands_in = false; }
};

void echo(net::socket& s) {
    std::array<char, 64> buffer;
    while (const std::size_t n = s.recv(buffer)) s.send_all({buffer.data(), n});
}

void round_trips(net::socket& s, int rounds) {
    std::array<char, 64> buffer;
    for (int i = 0; i < rounds; ++i) {
        s.send_all("message");
        if (s.recv(buffer) != 7) throw std::runtime_error("a message of another size");
    }
}

}  // namespace

TEST_CASE_FIXTURE(
    clean_net_end,
    "a message costs one epoll_wait, one recv and one send, and no allocation" *
        doctest::skip(only_public)) {
    count_allocations();
    for (const bool limited : {false, true}) {
        const int rounds = limited || test::sanitized ? 10'000 : 1'000'000;
        auto [client, server] = connect_pair();
        if (limited) {
            client.set_read_timeout(10s);
            server.set_read_timeout(10s);
            server.set_write_timeout(10s);
        }
        auto echoes = spawn([&server = server] { echo(server); });
        round_trips(client, 100);
        forget_calls();
        round_trips(client, rounds);
        const long allocated = allocations;
        CHECK(recvs.made == 2 * rounds);
        CHECK(sends.made == 2 * rounds);
        CHECK(waits.made <= 2 * rounds);
        CHECK(controls.made == 0);
        CHECK(allocated == 0);
        client.close();
        echoes.wait();
    }
}

TEST_CASE_FIXTURE(clean_net_end,
                  "a connection costs three epoll_ctl at most in its life" *
                      doctest::skip(only_public)) {
    auto [client, server] = connect_pair();
    forget_calls();
    auto echoes = spawn([&server = server] { echo(server); });
    round_trips(client, 100);
    CHECK(controls.made <= 2 + 2);
    client.close();
    echoes.wait();
    server.close();
    CHECK(controls.made <= 2 + 2 + 2);
}

// Asio's public interface has a timer of its own, which counts in milliseconds.
TEST_CASE_FIXTURE(clean_net_end,
                  "beside I/O a sleep takes just its time, and two waits" *
                      doctest::skip(only_public)) {
    const registered one;
    const stopped_clock still;
    for (const duration d : std::initializer_list<duration>{
             1ns, 1us, 300us, 999'999ns, 1ms, 1ms + 1ns, 1300us, 20'300us, 1s + 1ns}) {
        forget_calls();
        const time_point begin = clock::now();
        tendril::sleep(d);
        CHECK(clock::now() - begin == d);
        // And the look at I/O that ends each turn.
        CHECK(waits.made <= 2 + 2);
    }
}

TEST_CASE_FIXTURE(clean_net_end,
                  "the longest of sleeps is not one without end" *
                      doctest::skip(only_public)) {
    // epoll's limit is an int of milliseconds, 24.8 days.
    auto [client, server] = connect_pair();
    const int peer = client.native_handle();
    using days = std::chrono::days;
    for (const days d :
         {days(1), days(24), days(25), days(30), days(50), days(30'000)}) {
        const timer alarm = hub::current().call_later(d, [] {});
        std::vector<int> limits;
        before_wait = [&](int limit) {
            limits.push_back(limit);
            if (limit != 0) ::send(peer, "x", 1, MSG_NOSIGNAL);
        };
        read_some(server, 1);
        before_wait = nullptr;
        REQUIRE_FALSE(limits.empty());
        for (const int limit : limits) CHECK(limit >= 0);
        timer(alarm).cancel();
    }
}

TEST_CASE_FIXTURE(clean_net_end, "an interrupted call is made again") {
    auto [client, server] = connect_pair();
    sends.errors = {EINTR, EINTR};
    client.send_all("once");
    recvs.errors = {EINTR};
    CHECK(read_some(server) == "once");
    waits.errors = {EINTR};
    auto reader = spawn([&server = server] { return read_some(server); });
    yield();
    client.send_all("again");
    CHECK(reader.wait() == "again");

    net::listener port = net::listen("127.0.0.1", 0);
    connects.errors = {EINTR};
    const net::socket dialled = net::connect(port.local_address());
    accepts.errors = {EINTR, EINTR};
    CHECK(port.accept().peer_address() == dialled.local_address());
}

// As Linux answers while a signal is pending: there will be no other event.
TEST_CASE_FIXTURE(
    clean_net_end,
    "a signal that meets a read at urgent data does not stop the stream") {
    auto [client, server] = connect_pair();
    server.set_read_timeout(1s);
    auto reader = spawn([&server = server] {
        std::string got = read_some(server);
        recvs.errors = {EAGAIN, EAGAIN};
        return got + read_some(server);
    });
    yield();
    client.send_all("before,");
    send_urgent(client, '!');
    client.send_all("after");
    CHECK(reader.wait() == "before,after");
}

TEST_CASE_FIXTURE(clean_net_end,
                  "a connection that failed before it was accepted is passed over") {
    net::listener port = net::listen("127.0.0.1", 0);
    const net::socket client = net::connect(port.local_address());
    accepts.errors = {ECONNABORTED, EPROTO, ENETDOWN, EHOSTUNREACH};
    CHECK(port.accept().peer_address() == client.local_address());
    CHECK(port.backoffs() == 0);
}

TEST_CASE_FIXTURE(clean_net_end,
                  "whatever the system has run out of, accept tries again later") {
    net::listener port = net::listen("127.0.0.1", 0);
    const net::socket client = net::connect(port.local_address());
    test::virtual_time time;
    for (const int error : {EMFILE, ENFILE, ENOBUFS, ENOMEM}) {
        const std::size_t before = port.backoffs();
        const net::socket next = net::connect(port.local_address());
        accepts.errors = {error};
        CHECK(port.accept().is_open());
        CHECK(port.backoffs() == before + 1);
    }
}

TEST_CASE_FIXTURE(
    clean_net_end,
    "an accept that the system forbids is an error, not an endless loop") {
    net::listener port = net::listen("127.0.0.1", 0);
    const net::socket client = net::connect(port.local_address());
    for (const int error : {EPERM, EINVAL, ENOTSOCK}) {
        accepts.errors = std::vector<int>(1000, error);
        CHECK(code_of([&] { port.accept(); }) ==
              std::error_code(error, std::system_category()));
        accepts.errors.clear();
    }
    CHECK(port.accept().is_open());
}

TEST_CASE_FIXTURE(clean_net_end,
                  "a socket that cannot be watched is an error, in both forms") {
    auto [client, server] = connect_pair();
    std::error_code ec;
    std::array<char, 8> buffer{};
    controls.errors = {ENOSPC};
    CHECK(code_of([&, &server = server] { read_some(server); }) ==
          std::errc::no_space_on_device);
    controls.errors = {ENOSPC};
    CHECK(server.recv(buffer, ec) == 0);
    CHECK(ec == std::errc::no_space_on_device);
    controls.errors = {ENOSPC};
    const std::string flood(32'000'000, 'x');
    CHECK(code_of([&, &server = server] { server.send_all(flood); }) ==
          std::errc::no_space_on_device);

    net::listener port = net::listen("127.0.0.1", 0);
    controls.errors = {ENOSPC};
    port.accept(ec);
    CHECK(ec == std::errc::no_space_on_device);
    controls.errors = {ENOSPC};
    net::connect(port.local_address(), 1s, ec);
    CHECK(ec == std::errc::no_space_on_device);
    controls.errors.clear();

    client.send_all("!");
    CHECK(read_some(server) == "!");
}

TEST_CASE_FIXTURE(clean_net_end,
                  "so is one that is watched for reading, and not for writing" *
                      doctest::skip(only_public)) {
    auto [client, server] = connect_pair();
    auto reader = spawn([&server = server] { return read_some(server); });
    yield();
    const std::string flood(32'000'000, 'x');
    for (int attempts = 0; attempts < 2; ++attempts) {
        controls.errors = {ENOSPC};
        CHECK(code_of([&, &server = server] { server.send_all(flood); }) ==
              std::errc::no_space_on_device);
    }
    client.send_all("!");
    CHECK(reader.wait() == "!");
}

TEST_CASE_FIXTURE(
    clean_net_end,
    "a connection that there is no stack for is closed, and others come") {
    net::listener port = net::listen("127.0.0.1", 0);
    const net::address there = port.local_address();
    run([&] {
        spawn([&] { net::serve(std::move(port), [](net::socket s) { echo(s); }); });
        std::vector<net::socket> served;
        // Until the pool of stacks has to ask the system for more.
        for (bool refused = false; !refused;) {
            maps.errors = std::vector(100, ENOMEM);
            net::socket next = net::connect(there);
            std::error_code ec;
            std::array<char, 1> answer{};
            next.send_all("?", ec);
            refused = next.recv(answer, ec) == 0;
            if (!refused) served.push_back(std::move(next));
        }
        maps.errors.clear();
        net::socket last = net::connect(there);
        last.send_all("?");
        CHECK(read_some(last, 1) == "?");
    });
}

TEST_SUITE_END();
