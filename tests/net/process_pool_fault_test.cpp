// SPDX-License-Identifier: BSL-1.0
#include <tendril/net/process_pool.hpp>
#include <tendril/runtime/cancel.hpp>
#include <tendril/runtime/deadlock.hpp>
#include <tendril/runtime/error.hpp>
#include <tendril/runtime/fiber.hpp>
#include <tendril/runtime/hub.hpp>
#include <tendril/runtime/run.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/sync/event.hpp>
#include <tendril/test/virtual_time.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <memory>
#include <new>
#include <optional>
#include <system_error>

#include "../support/errc_of.hpp"
#include "../support/hub_threads.hpp"
#include "../support/pool_processes.hpp"
#include <doctest/doctest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace std::chrono_literals;
using namespace tendril;
using test::clean_pool_end;
using test::errc_of;
using test::has_children;
using test::is_gone;
using test::virtual_time;

// ThreadSanitizer has a thread of its own, so that nothing can be forked.
TEST_SUITE_BEGIN("net/process_pool fault" * doctest::skip(test::under_tsan));

namespace {

void nothing() {}

int stuck() {
    for (;;) pause();
}

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
    // Each that did not end by itself would take a second.
    process_pool pool({.processes = 30});
    pool.submit(&nothing).wait();
    const forked_child child;
    CHECK(pool.close_for(10s));
}

TEST_CASE_FIXTURE(clean_pool_end,
                  "a pool destroyed in a hub callback as its thread's fibers end") {
    run([] {
        auto* const pool = new process_pool({.processes = 2});
        pool->submit(&nothing).wait();
        hub::current().call_soon([pool] { delete pool; });
        yield();
    });
    while (has_children()) yield();
}

TEST_CASE_FIXTURE(clean_pool_end,
                  "a pool destroyed in a hub callback as all fibers are killed") {
    auto* const pool = new process_pool({.processes = 2});
    pool->submit(&nothing).wait();
    hub::current().call_soon([pool] { delete pool; });
    yield();
    // The one that is to wait for the others first, before it has begun.
    auto all = all_fibers();
    std::reverse(all.begin(), all.end());
    for (const auto& f : all) f.kill();
    while (has_children()) yield();
}

TEST_CASE_FIXTURE(clean_pool_end, "a pool destroyed in a hub callback takes no more") {
    auto pool = std::make_unique<process_pool>(process_pool_options{.processes = 1});
    const auto hanging = pool->submit(&stuck);
    yield();
    hub::current().call_soon([&] { pool = nullptr; });
    yield();
    CHECK(pool == nullptr);
    for (const auto& f : all_fibers()) f.kill();
    CHECK(errc_of([&] { hanging.wait(); }) == errc::abandoned);
    while (has_children()) yield();
}

TEST_CASE_FIXTURE(clean_pool_end, "a pool whose fibers never began refuses calls") {
    {
        process_pool pool({.processes = 2});
        const auto before = pool.submit(&getpid);
        for (const auto& f : all_fibers()) f.kill();
        CHECK(errc_of([&] { pool.submit(&getpid).join_for(1s); }) == errc::closed);
        CHECK(before.join_for(1s));
        CHECK(errc_of([&] { before.wait(); }) == errc::abandoned);
        yield();  // their stacks go in their turn
    }
    CHECK_FALSE(has_children());
}

TEST_CASE_FIXTURE(clean_pool_end, "a pool may outlive the scope that it was made in") {
    const virtual_time time;
    std::optional<process_pool> pool;
    move_on_after(1h, [&] {
        pool.emplace(process_pool_options{.processes = 1});
        pool->submit(&nothing).wait();
    });
    tendril::sleep(2h);
    CHECK(errc_of([&] { pool->submit(&nothing).wait(); }) == std::nullopt);
}

TEST_CASE_FIXTURE(clean_pool_end, "a refused close leaves the pool open") {
    process_pool pool({.processes = 1});
    event<std::optional<errc>> told;
    hub::current().call_soon([&] { told.send(errc_of([&] { pool.close(); })); });
    CHECK(told.wait() == errc::in_hub);
    CHECK(pool.submit(&getpid).wait() > 0);
}

TEST_CASE_FIXTURE(clean_pool_end,
                  "a pool that a worker has inherited is refused there") {
    static std::optional<process_pool> outer;
    static process_pool* inherited = nullptr;
    const auto used = +[] {
        return errc_of([] { inherited->submit(&nothing); }) == errc::forked &&
               errc_of([] { inherited->close(); }) == errc::forked;
    };
    outer.emplace(process_pool_options{.processes = 1});
    inherited = &*outer;
    process_pool pool({.processes = 1});
    CHECK(pool.submit(used).wait());
    outer.reset();

    alignas(process_pool) static std::byte place[sizeof(process_pool)];
    inherited = reinterpret_cast<process_pool*>(place);
    new (place) process_pool({.processes = 1});
    CHECK(inherited->submit(used).wait());
    inherited->~process_pool();
}

TEST_CASE_FIXTURE(clean_pool_end,
                  "a worker's death is seen though others have its socket") {
    // What a worker forks stays until it can read a byte here. Workers inherit it.
    static std::array<int, 2> go{};
    REQUIRE(pipe(go.data()) == 0);
    const auto fork_another = +[](bool die) {
        if (fork() == 0) {
            char byte = 0;
            _exit(read(go[0], &byte, 1) == 1 ? 0 : 1);
        }
        if (die) raise(SIGKILL);
        return getpid();
    };
    {
        process_pool pool({.processes = 1});
        CHECK_THROWS_AS(pool.submit(fork_another, true).wait(), worker_died);

        const pid_t idle = pool.submit(fork_another, false).wait();
        kill(idle, SIGKILL);
        while (test::state_of(idle) != 'Z') yield();
        CHECK(pool.submit(&getpid).wait() != idle);
        CHECK(write(go[1], "12", 2) == 2);
    }
    for (const int fd : go) close(fd);
}

TEST_CASE_FIXTURE(clean_pool_end, "when the maker of workers is ended calls fail") {
    process_pool pool({.processes = 1});
    kill(test::parent_of(pool.submit(&getpid).wait()), SIGKILL);
    // Its worker follows, soon.
    for (bool refused = false; !refused;) {
        try {
            pool.submit(&nothing).wait();
        } catch (const std::system_error&) {
            refused = true;
        } catch (const worker_died&) {
        }
    }
    CHECK_THROWS_AS(pool.submit(&nothing).wait(), std::system_error);
    CHECK(pool.close());
}

TEST_CASE_FIXTURE(clean_pool_end, "an idle pool hides no deadlock") {
    process_pool pool({.processes = 1});
    pool.submit(&nothing).wait();
    event<> never_sent;
    CHECK_THROWS_AS(never_sent.wait(), deadlock);
}

TEST_CASE_FIXTURE(clean_pool_end,
                  "close comes to an end though no worker can be ended") {
    process_pool pool({.processes = 2});
    const pid_t worker = pool.submit(&getpid).wait();
    kill(test::parent_of(worker), SIGSTOP);
    CHECK_FALSE(pool.close_for(10ms));
    CHECK(is_gone(worker));
}

TEST_CASE_FIXTURE(clean_pool_end,
                  "a worker that finds no room for its socket is ended" *
                      doctest::skip(test::sanitized)) {
    process_pool pool({.processes = 1});
    const pid_t worker = pool.submit(&getpid).wait();
    const pid_t zygote = test::parent_of(worker);
    CHECK_THROWS_AS(pool.submit(&raise, SIGKILL).wait(), worker_died);
    rlimit limit{};
    getrlimit(RLIMIT_NOFILE, &limit);
    const rlimit none{.rlim_cur = 3, .rlim_max = limit.rlim_max};
    setrlimit(RLIMIT_NOFILE, &none);
    const auto refused = pool.submit(&nothing);
    refused.join();
    setrlimit(RLIMIT_NOFILE, &limit);
    std::error_code told;
    try {
        refused.wait();
    } catch (const std::system_error& e) {
        told = e.code();
    }
    CHECK(told.value() == EMFILE);
    CHECK(test::child_of(zygote) == 0);
    CHECK(test::parent_of(pool.submit(&getpid).wait()) == zygote);
}

TEST_SUITE_END();
