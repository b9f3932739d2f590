// SPDX-License-Identifier: BSL-1.0
#include <tendril/net/detail/wire.hpp>
#include <tendril/net/detail/worker_process.hpp>
#include <tendril/net/process_pool.hpp>
#include <tendril/runtime/error.hpp>
#include <tendril/runtime/hub.hpp>
#include <tendril/runtime/sleep.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <functional>
#include <stdexcept>
#include <string>
#include <system_error>

#include "../support/errc_of.hpp"
#include "../support/hub_threads.hpp"
#include "../support/pool_processes.hpp"
#include <doctest/doctest.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace std::chrono_literals;
using namespace tendril;
using test::clean_pool_end;
using test::errc_of;
using test::is_gone;

// ThreadSanitizer has a thread of its own, so that nothing can be forked.
TEST_SUITE_BEGIN("net/process_pool message" * doctest::skip(test::under_tsan));

namespace {

// Its own end, in a worker.
int socket_of_worker() {
    for (int fd = 3;; ++fd) {
        struct stat about {};

        if (fstat(fd, &about) == 0 && S_ISSOCK(about.st_mode)) return fd;
    }
}

// Answers with that, and 256 KiB of rubbish; says so to `told`, and then stays.
int reply_of(detail::reply_header header, int told) {
    const int socket = socket_of_worker();
    send(socket, &header, sizeof header, MSG_NOSIGNAL);
    const std::string rubbish(4096, 'A');
    for (int i = 0; i < 64; ++i) {
        send(socket, rubbish.data(), rubbish.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    }
    eventfd_write(told, 1);
    for (;;) pause();
}

std::size_t peak_memory() {
    rusage use{};
    getrusage(RUSAGE_SELF, &use);
    return static_cast<std::size_t>(use.ru_maxrss) << 10;
}

// In bytes.
rlim_t own_addresses() {
    rlim_t pages = 0;
    std::ifstream("/proc/self/statm") >> pages;
    return pages * static_cast<rlim_t>(getpagesize());
}

}  // namespace

TEST_CASE_FIXTURE(clean_pool_end, "a reply that cannot be right ends its worker") {
    process_pool pool({.processes = 1});
    for (const detail::reply_header wrong :
         {detail::reply_header{.failed = 0, .size = UINT64_MAX - 5},
          detail::reply_header{.failed = 0, .size = std::uint64_t{1} << 62},
          detail::reply_header{.failed = 2, .size = 1}}) {
        const pid_t worker = pool.submit(&getpid).wait();
        std::error_code told;
        try {
            pool.submit(&reply_of, wrong, -1).wait();
        } catch (const std::system_error& e) {
            told = e.code();
        }
        CHECK(told == std::errc::protocol_error);
        CHECK(pool.submit(&getpid).wait() != worker);
        CHECK(is_gone(worker));
    }
}

TEST_CASE_FIXTURE(clean_pool_end, "a long reply takes memory only as it comes") {
    const test::owned_descriptor told(eventfd(0, 0));  // a worker inherits it
    process_pool pool({.processes = 1});
    const std::size_t before = peak_memory();
    const auto f = pool.submit(&reply_of, detail::reply_header{0, 1u << 30}, told.fd());
    hub::current().wait_readable(told.fd());
    yield();
    CHECK_FALSE(pool.close_for(1ms));
    CHECK(errc_of([&] { f.wait(); }) == errc::abandoned);
    CHECK(peak_memory() - before < (100u << 20));
}

TEST_CASE_FIXTURE(clean_pool_end, "a request too large for a worker is its bad_alloc") {
    if (test::sanitized) return;  // which needs more addresses than any limit leaves
    process_pool pool({.processes = 1});
    const pid_t worker = pool.submit(+[] {
                                 const rlim_t most = own_addresses() + (16u << 20);
                                 const rlimit limit{most, most};
                                 setrlimit(RLIMIT_AS, &limit);
                                 return getpid();
                             })
                             .wait();
    std::string type;
    try {
        pool.submit(
                +[](const std::string& s) { return s.size(); },
                std::string(64u << 20, 'x'))
            .wait();
    } catch (const remote_error& e) {
        type = e.type();
    }
    CHECK(type == "std::bad_alloc");
    CHECK(pool.submit(&getpid).wait() == worker);
}

static_assert(!detail::crosses_processes<std::reference_wrapper<int>>);
static_assert(detail::writes_to_caller<std::string&>);
static_assert(!detail::writes_to_caller<const std::string&>);
static_assert(!detail::writes_to_caller<std::string>);
static_assert(!detail::writes_to_caller<std::string&&>);

TEST_CASE("a count beyond the end of a message is refused before it is believed") {
    detail::byte_string message;
    detail::write_plain(message, std::uint64_t{1} << 40);
    detail::byte_view view = message;
    CHECK_THROWS_AS(detail::take_value<std::string>(view), std::length_error);
}

TEST_SUITE_END();
