// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/cancel.hpp>
#include <tendril/runtime/driver.hpp>
#include <tendril/runtime/fiber.hpp>
#include <tendril/runtime/hub.hpp>
#include <tendril/runtime/park.hpp>
#include <tendril/runtime/spawn.hpp>
#include <tendril/runtime/timeout.hpp>
#include <tendril/runtime/trace.hpp>
#include <tendril/test/allocation_faults.hpp>
#include <tendril/test/bounded_wait.hpp>
#include <tendril/test/cancel_everywhere.hpp>
#include <tendril/test/leak_check.hpp>
#include <tendril/test/virtual_time.hpp>

#include <exception>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

namespace tendril::test {
namespace {

enum class blow { kill, timeout, cancel, no_memory_once, no_memory_from_there_on };

const char* name_of(blow what) {
    switch (what) {
        case blow::kill:
            return "killed at moment ";
        case blow::timeout:
            return "timed out at moment ";
        case blow::cancel:
            return "cancelled at moment ";
        case blow::no_memory_once:
            return "without memory for allocation ";
        default:
            return "without memory from allocation ";
    }
}

bool is_of_memory(blow what) {
    return what == blow::no_memory_once || what == blow::no_memory_from_there_on;
}

// One run of f(), in the fiber that is met; which keeps it, if it cannot be ended.
class run : public std::enable_shared_from_this<run> {
  public:
    run(blow what, std::size_t moment, std::function<void()> f)
        : what_(what), left_(moment), f_(std::move(f)) {}

    run(const run&) = delete;
    run& operator=(const run&) = delete;

    ~run() = default;

    // What is wrong; empty if nothing.
    std::string problem() {
        const leak_check begin;
        const long blocks = blocks_in_use();
        {
            virtual_time time;
            const tracing here(*this);
            const auto victim = spawn([self = shared_from_this()] { self->be_met(); });
            const std::string late = bounded_wait(victim);
            if (!late.empty()) problem_ = late;
            abandoned_ = !victim.done();
            if (abandoned_) return std::move(problem_);
        }
        // Fibers that were cancelled go when it is their turn.
        for (int turn = 0; turn < 2 && !begin.leaks().empty(); ++turn) {
            detail::let_others_run();
        }
        if (problem_.empty()) {
            const std::string left = begin.leaks();
            if (!left.empty()) problem_ = "left behind: " + left;
        }
        // What a driver keeps of waits that were given up goes when it looks next.
        hub_internals::driver(hub::current()).poll();
        more_blocks_ = blocks_in_use() - blocks;
        return std::move(problem_);
    }

    // It happened.
    bool struck() const noexcept { return struck_; }

    // Nothing could end it.
    bool abandoned() const noexcept { return abandoned_; }

    // In use after it that were not before.
    long more_blocks() const noexcept { return more_blocks_; }

  private:
    struct tracing {
        explicit tracing(run& r) : before(set_trace([&r](auto...) { r.look(); })) {}

        tracing(const tracing&) = delete;
        tracing& operator=(const tracing&) = delete;

        ~tracing() { set_trace(std::move(before)); }

        tracer before;
    };

    void be_met() {
        try {
            limit_.emplace(forever);
            core_ = detail::this_scheduler->current;
            if (is_of_memory(what_)) {
                const failing_allocations fail(left_, what_ != blow::no_memory_once);
                try {
                    f_();
                } catch (...) {
                    struck_ = fail.failed();
                    throw;
                }
                struck_ = fail.failed();
            } else if (what_ == blow::cancel) {
                scope_.run(f_);
            } else {
                f_();
            }
        } catch (...) {
            judge();
        }
        core_ = nullptr;
        limit_.reset();
    }

    void judge() {
        try {
            throw;
        } catch (const greenlet_exit&) {
            if (struck_ && what_ == blow::kill) return;
            problem_ = "threw greenlet_exit";
        } catch (const timed_out&) {
            if (struck_ && what_ == blow::timeout) return;
            problem_ = "threw timed_out";
        } catch (const std::bad_alloc&) {
            if (struck_ && is_of_memory(what_)) return;
            problem_ = "threw std::bad_alloc";
        } catch (...) {
            problem_ = "threw " + detail::describe(std::current_exception());
        }
    }

    // At each switch.
    void look() {
        if (core_ == nullptr || struck_ || is_of_memory(what_)) return;
        if (detail::this_scheduler->current == core_) return;
        if (left_-- > 0) return;
        struck_ = true;
        if (what_ == blow::kill) {
            detail::kill_here(*core_, std::make_exception_ptr(greenlet_exit{}));
        } else if (what_ == blow::timeout) {
            detail::kill_here(*core_, std::make_exception_ptr(timed_out(*limit_)));
        } else {
            scope_.cancel();
        }
    }

    const blow what_;
    std::size_t left_;
    const std::function<void()> f_;
    detail::fiber_core* core_ = nullptr;
    std::optional<timeout> limit_;
    cancel_scope scope_;
    bool struck_ = false;
    bool abandoned_ = false;
    long more_blocks_ = 0;
    std::string problem_;
};

// The stack that holds it may go with its thread; what it holds is not to look like a
// leak then.
void keep_for_ever(std::shared_ptr<run> abandoned) {
    static std::mutex mutex;
    static auto& kept = *new std::vector<std::shared_ptr<run>>;
    const std::lock_guard held(mutex);
    kept.push_back(std::move(abandoned));
}

// Empty if `first` and, for the memory, further runs like it leave nothing behind. A
// cache that grows for the first time is none; memory that is lost is lost again.
std::string problem_of(run& first,
                       blow what,
                       std::size_t moment,
                       const std::function<void()>& f) {
    std::string problem = first.problem();
    long more_blocks = 1;
    for (int again = 0; problem.empty() && more_blocks > 0 && again < 3; ++again) {
        const auto next = std::make_shared<run>(what, moment, f);
        problem = next->problem();
        more_blocks = next->more_blocks();
    }
    if (!problem.empty() || more_blocks <= 0) return problem;
    return "left behind: " + std::to_string(more_blocks) + " blocks of memory";
}

// Until f() is over untouched; in how many runs it was not. False if a run cannot be
// ended: no other can be told from it then.
bool strike_everywhere(blow what,
                       const std::function<void()>& f,
                       std::size_t& runs,
                       std::vector<std::string>& problems) {
    for (std::size_t moment = 0;; ++moment, ++runs) {
        const auto first = std::make_shared<run>(what, moment, f);
        const std::string problem = problem_of(*first, what, moment, f);
        if (!problem.empty()) {
            problems.push_back(name_of(what) + std::to_string(moment) + ": " + problem);
        }
        if (first->abandoned()) {
            keep_for_ever(first);
            return false;
        }
        if (!first->struck()) return true;
    }
}

}  // namespace

cancelled_everywhere cancel_everywhere(const std::function<void()>& f) {
    cancelled_everywhere done;
    const auto strike = [&](blow what, std::size_t& runs) {
        return strike_everywhere(what, f, runs, done.problems);
    };
    const bool all_end = strike(blow::kill, done.kills) &&
                         strike(blow::timeout, done.timeouts) &&
                         strike(blow::cancel, done.cancels);
    if (all_end && can_fail_allocations()) {
        strike(blow::no_memory_once, done.failed_allocations) &&
            strike(blow::no_memory_from_there_on, done.failed_allocations);
    }
    return done;
}

}  // namespace tendril::test
