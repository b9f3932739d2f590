// everywhere_process_test.cpp - a pool of processes, ended at every moment.
//
// SPDX-License-Identifier: BSL-1.0
#include <tendril/net/process_pool.hpp>
#include <tendril/runtime/error.hpp>

#include <csignal>
#include <exception>
#include <string>
#include <string_view>

#include "../support/hub_threads.hpp"
#include "../support/pool_processes.hpp"
#include "everywhere.hpp"
#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace tendril;
using test::clean_virtual_time;
using test::holds_everywhere;

TEST_SUITE_BEGIN("kit/everywhere process");

namespace {

class clean_processes : test::made_pool_descriptors, public clean_virtual_time {};

std::string text_of(char c) {
    return std::string(100, c);
}

}  // namespace

// ThreadSanitizer has a thread of its own, so that nothing can be forked.
TEST_CASE_FIXTURE(clean_processes,
                  "process_pool: a worker dies and none is left at the end" *
                      doctest::skip(test::under_tsan)) {
    // Who waited for it may have been ended.
    set_exception_hook([](const std::exception_ptr& error, std::string_view) {
        CHECK_THROWS_AS(std::rethrow_exception(error), worker_died);
    });
    holds_everywhere(2, [] {
        process_pool pool({.processes = 1});
        const auto first = pool.submit(&getpid);
        try {
            pool.submit(&raise, SIGKILL).wait();
            throw 1;
        } catch (const worker_died&) {
            if (pool.submit(&text_of, 'x').wait() != text_of('x')) throw 2;
        }
        if (first.wait() == pool.submit(&getpid).wait()) throw 3;
        pool.close();
    });
    CHECK(waitpid(-1, nullptr, WNOHANG) == -1);
}

TEST_SUITE_END();
