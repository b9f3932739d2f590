// SPDX-License-Identifier: BSL-1.0
#include <tendril/net/process_pool.hpp>
#include <tendril/runtime/error.hpp>
#include <tendril/runtime/hub.hpp>

#include <chrono>
#include <csignal>
#include <vector>

#include "../support/errc_of.hpp"
#include "../support/hub_threads.hpp"
#include "../support/pool_processes.hpp"
#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace std::chrono_literals;
using namespace tendril;
using test::clean_pool_end;
using test::errc_of;
using test::has_children;
using test::is_gone;

// ThreadSanitizer has a thread of its own, so that nothing can be forked.
TEST_SUITE_BEGIN("net/process_pool fault" * doctest::skip(test::under_tsan));

namespace {

void nothing() {}

// Of this process, until it is destroyed.
class forked_child {
  public:
    forked_child() : process_(fork()) {
        while (process_ == 0) pause();
    }

    forked_child(const forked_child&) = delete;
    forked_child& operator=(const forked_child&) = delete;

    ~forked_child() {
        kill(process_, SIGKILL);
        waitpid(process_, nullptr, 0);
    }

  private:
    pid_t process_;
};

}  // namespace

TEST_CASE_FIXTURE(clean_pool_end, "close ends idle workers that are stopped") {
    process_pool pool({.processes = 1});
    const pid_t worker = pool.submit(&getpid).wait();
    kill(worker, SIGSTOP);
    pool.close_for(100ms);
    CHECK(is_gone(worker));
}

TEST_CASE_FIXTURE(clean_pool_end, "a forked child that has the sockets delays no end") {
    process_pool pool({.processes = 1});
    pool.submit(&nothing).wait();
    const forked_child child;
    CHECK(pool.close_for(800ms));
}

TEST_SUITE_END();
