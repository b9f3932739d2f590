// SPDX-License-Identifier: BSL-1.0
#include <tendril/net/detail/process_crew.hpp>
#include <tendril/net/process_pool.hpp>
#include <tendril/runtime/cancel.hpp>
#include <tendril/runtime/detail/fork_guard.hpp>
#include <tendril/runtime/error.hpp>
#include <tendril/runtime/hub.hpp>
#include <tendril/runtime/park.hpp>
#include <tendril/runtime/spawn.hpp>

#include <algorithm>
#include <cstring>
#include <map>
#include <mutex>
#include <thread>

#include <sys/wait.h>

namespace tendril {
namespace {

std::string how_it_ended(int status) {
    if (status == -1) return "a worker process has ended, nobody knows how";
    if (WIFSIGNALED(status)) {
        const char* const name = sigabbrev_np(WTERMSIG(status));
        return "a worker process was ended by signal " +
               std::to_string(WTERMSIG(status)) +
               (name != nullptr ? std::string(", SIG") + name : std::string());
    }
    return "a worker process has exited with code " +
           std::to_string(WEXITSTATUS(status));
}

struct known_tasks {
    std::mutex mutex;
    std::map<std::string, process_pool::task_function, std::less<>> by_name;
};

known_tasks& tasks() {
    static auto* const all = new known_tasks;
    return *all;
}

// In the worker, where nobody else is. The request: the name, and the rest.
void run_task(detail::byte_view request, detail::byte_string& result) {
    const auto name = detail::take_value<std::string>(request);
    const auto found = tasks().by_name.find(name);
    if (found == tasks().by_name.end()) {
        detail::fail(errc::bad_argument,
                     "the task '" + name + "' was not known when the pool was made");
    }
    detail::write_value(result, found->second(request));
}

}  // namespace

worker_died::worker_died(int status)
    : std::runtime_error(how_it_ended(status)),
      signal_(status != -1 && WIFSIGNALED(status) ? WTERMSIG(status) : 0) {}

std::ptrdiff_t process_pool_options::default_processes() {
    return std::max<std::ptrdiff_t>(1, std::thread::hardware_concurrency());
}

process_pool::process_pool(process_pool_options options)
    : grace_(detail::checked_duration(options.grace)) {
    if (options.processes < 1) {
        detail::fail(errc::bad_argument, "a process pool cannot have " +
                                             std::to_string(options.processes) +
                                             " processes");
    }
    // Else chance would have it: a worker may be there before it is waited for. A
    // thread without a hub is not given one, or its workers could have none.
    const detail::scheduler* const s = detail::this_scheduler;
    if (s != nullptr && s->on_loop()) {
        detail::fail_in_hub("the workers of a process pool");
    }
    crew_ = detail::process_crew::make(static_cast<std::size_t>(options.processes));
}

process_pool::~process_pool() {
    if (!crew_) return;  // a worker, forked before it was there
    if (!crew_->is_ours()) {
        // The child of a fork: the workers are its parent's.
        detail::keep_for_parent(std::move(crew_));
        return;
    }
    const auto end = [crew = crew_, grace = grace_] {
        const uninterrupted here;
        crew->close(detail::after(hub::current().now(), grace));
    };
    if (!detail::current_scheduler().on_loop()) {
        end();
        return;
    }
    crew_->refuse_more();
    try {
        spawn_n(end);
    } catch (const std::exception&) {
        // Then nobody waits: the crew ends when its work does.
    }
}

void process_pool::task(std::string name, task_function f) {
    if (!f) fail_null();
    const std::lock_guard held(tasks().mutex);
    tasks().by_name.insert_or_assign(std::move(name), std::move(f));
}

future<process_pool::bytes> process_pool::call(std::string_view name,
                                               std::span<const std::byte> argument) {
    {
        const std::lock_guard held(tasks().mutex);
        if (!tasks().by_name.contains(name)) {
            detail::fail(errc::bad_argument, "a process pool was asked for the task '" +
                                                 std::string(name) +
                                                 "', which nobody has made known");
        }
    }
    bytes request;
    detail::write_value(request, std::string(name));
    request.insert(request.end(), argument.begin(), argument.end());
    return put<bytes>(run_task, std::move(request));
}

bool process_pool::close(time_point deadline) {
    require_own_process();
    if (detail::current_scheduler().on_loop()) {
        detail::fail_in_hub("the workers of a process pool");
    }
    // Held: when it is woken, this may be gone.
    const auto crew = crew_;
    return crew->close(deadline);
}

// Null: this is a worker, forked before it was there.
void process_pool::require_own_process() const {
    if (crew_ && crew_->is_ours()) return;
    detail::fail(errc::forked,
                 "a process pool was used in a worker or another child of the process "
                 "that made it; make one there, or leave the work to the parent");
}

void process_pool::fail_null() {
    detail::fail(errc::bad_argument, "a process pool was given nothing to call");
}

void process_pool::put(std::shared_ptr<detail::process_call> call) {
    require_own_process();
    if (!crew_->put(std::move(call))) {
        detail::fail(errc::closed,
                     "work was submitted to a process pool that has been closed");
    }
}

}  // namespace tendril
