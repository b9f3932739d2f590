// forks.cpp - what a process with fibers may do in the child of a fork, and what not.
// The argument says which case; the exit code says whether it is as it should be.
//
// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/cancel.hpp>
#include <tendril/runtime/deadlock.hpp>
#include <tendril/runtime/detail/quiet_threads.hpp>
#include <tendril/runtime/error.hpp>
#include <tendril/runtime/hub.hpp>
#include <tendril/runtime/run.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>
#include <tendril/runtime/timeout.hpp>
#include <tendril/runtime/watchdog.hpp>
#include <tendril/sync/interval.hpp>
#include <tendril/sync/thread_pool.hpp>

#include <array>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>

#include "../support/hub_threads.hpp"
#include <sched.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace std::chrono_literals;
using namespace tendril;

namespace {

// How a child ended, and what it had to say on stderr.
struct child_end {
    int status = 0;
    std::string text;

    bool exited_with(int code) const {
        return WIFEXITED(status) && WEXITSTATUS(status) == code;
    }

    bool aborted_with_advice() const {
        return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT &&
               text.find("the child of a fork") != std::string::npos;
    }
};

// fork() at the place where it is called, in parent and child.
class forked {
  public:
    forked() {
        if (pipe(errors_.data()) != 0) std::_Exit(2);
        child_ = fork();
        if (child_ != 0) return;
        const rlimit no_core{0, 0};
        setrlimit(RLIMIT_CORE, &no_core);
        dup2(errors_[1], STDERR_FILENO);
    }

    bool in_child() const { return child_ == 0; }

    // In the parent.
    child_end wait() const {
        child_end end;
        close(errors_[1]);
        std::array<char, 1024> part{};
        for (ssize_t n = 0; (n = read(errors_[0], part.data(), part.size())) > 0;) {
            end.text.append(part.data(), static_cast<std::size_t>(n));
        }
        close(errors_[0]);
        waitpid(child_, &end.status, 0);
        return end;
    }

  private:
    std::array<int, 2> errors_{};
    pid_t child_ = 0;
};

template <class F>
bool is_refused(F call) {
    try {
        call();
    } catch (const fiber_error& e) {
        return e.code() == errc::forked;
    }
    return false;
}

// The parent's fibers and timers go on as if nothing had been.
bool parent_goes_on() {
    int ticks = 0;
    auto other = spawn([&] {
        for (int i = 0; i < 3; ++i) sleep(1ms), ++ticks;
    });
    other.wait();
    return ticks == 3;
}

// In the child, whatever needs the hub is refused, where it is called.
bool use() {
    auto parked = spawn([] { sleep(forever); });
    bool right = false;
    spawn([&] {
        const forked f;
        if (f.in_child()) {
            const bool all =
                is_refused([] { sleep(1ms); }) && is_refused([] { yield(); }) &&
                is_refused([] { spawn([] {}); }) &&
                is_refused([] { hub::current(); }) &&
                is_refused([&] { parked.wait(); }) && is_refused([] { run([] {}); });
            _exit(all ? 7 : 1);
        }
        right = f.wait().exited_with(7);
    }).wait();
    const bool on = parent_goes_on();
    parked.kill();
    return right && on;
}

// A fiber that returns in the child would go on with the parent's others.
bool end() {
    bool right = false;
    int others = 0;
    auto other = spawn([&] { ++others; });
    spawn([&] {
        const forked f;
        if (f.in_child()) return;
        right = f.wait().aborted_with_advice();
    }).wait();
    return right && others == 1 && parent_goes_on();
}

bool callback() {
    bool right = false;
    auto done = spawn([] { sleep(forever); });
    for (const bool by_timer : {false, true}) {
        right = false;
        const auto call = [&] {
            const forked f;
            if (f.in_child()) return;
            right = f.wait().aborted_with_advice();
        };
        by_timer ? hub::current().call_later(1ns, call)
                 : hub::current().call_soon(call);
        sleep(1ms);
        if (!right) return false;
    }
    done.kill();
    return parent_goes_on();
}

// From main, whose own stack has an end of its own.
bool leave() {
    auto parked = spawn([] { sleep(forever); });
    yield();
    const forked f;
    if (f.in_child()) std::exit(7);
    const bool right = f.wait().exited_with(7);
    parked.kill();
    return right && parent_goes_on();
}

bool exec() {
    bool right = false;
    spawn([&] {
        const forked f;
        if (f.in_child()) {
            execl("/bin/sh", "sh", "-c", "exit 7", nullptr);
            _exit(1);
        }
        right = f.wait().exited_with(7);
        pid_t child = 0;
        std::string shell = "sh", option = "-c", command = "exit 7";
        char* const arguments[] = {shell.data(), option.data(), command.data(),
                                   nullptr};
        int status = 0;
        right =
            right &&
            posix_spawn(&child, "/bin/sh", nullptr, nullptr, arguments, environ) == 0 &&
            waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 7;
    }).wait();
    return right && parent_goes_on();
}

bool thread() {
    hub::current();
    bool right = false;
    std::thread([&] {
        const forked f;
        if (f.in_child()) _exit(is_refused([] { yield(); }) ? 7 : 1);
        right = f.wait().exited_with(7);
    }).join();
    return right && parent_goes_on();
}

// Before the first hub a fork is nothing special: as daemon() does.
bool before() {
    const forked f;
    if (f.in_child()) _exit(parent_goes_on() ? 7 : 1);
    return f.wait().exited_with(7) && parent_goes_on();
}

// A run() of the parent's does not keep SIGTERM from ending the child.
bool signals() {
    return run([] {
        const forked f;
        if (f.in_child()) {
            raise(SIGTERM);
            _exit(1);
        }
        const child_end end = f.wait();
        return WIFSIGNALED(end.status) && WTERMSIG(end.status) == SIGTERM;
    });
}

// Scopes that were entered before may be left after it.
bool scopes() {
    bool is_child = false;
    child_end end;
    const auto fork_inside = [&] {
        const uninterrupted here;
        const timeout limit(1h);
        const forked f;
        is_child = f.in_child();
        if (!is_child) end = f.wait();
    };
    move_on_after(1h, [&] { shield(1h, fork_inside); });
    if (is_child) _exit(7);
    return end.exited_with(7) && parent_goes_on();
}

// Objects that are the parent's go quietly, as they do when the child exits. (It does
// not: what it has of the parent's threads would be a leak to LeakSanitizer.)
bool objects() {
    static std::optional<thread_pool> pool;
    static std::optional<interval> ticks;
    pool.emplace(thread_pool_options{.threads = 1}).submit([] {}).wait();
    ticks.emplace("ticks", 1h, [] {});
    const forked f;
    if (f.in_child()) {
        ticks.reset();
        pool.reset();
        _exit(7);
    }
    const bool right = f.wait().exited_with(7);
    ticks.reset();
    pool.reset();
    return right && parent_goes_on();
}

// Nor if there is a watchdog, which is the parent's: the child has none, may make its
// own, and is told of a deadlock. Wherever the parent's thread was: it has just begun.
bool dog() {
    auto first = std::make_unique<watchdog>(watchdog_options{.limit = 1min});
    // AddressSanitizer's allocator does not bear a fork while another thread is in it.
    while (test::sanitized && detail::quiet_threads.load() == 0) sched_yield();
    const forked f;
    if (f.in_child()) {
        alarm(20);
        first.reset();
        const watchdog second;
        try {
            run([] { tendril::sleep(forever); });
        } catch (const deadlock&) {
            _exit(7);
        }
        _exit(1);
    }
    const bool right = f.wait().exited_with(7);
    first.reset();
    return right && parent_goes_on();
}

}  // namespace

int main(int argc, char** argv) {
    const std::string_view what = argc > 1 ? argv[1] : "";
    bool ok = false;
    if (what == "use") ok = use();
    if (what == "end") ok = end();
    if (what == "callback") ok = callback();
    if (what == "leave") ok = leave();
    if (what == "exec") ok = exec();
    if (what == "thread") ok = thread();
    if (what == "before") ok = before();
    if (what == "scopes") ok = scopes();
    if (what == "objects") ok = objects();
    if (what == "dog") ok = dog();
    if (what == "signals") ok = signals();
    return ok ? 0 : 1;
}
