// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/detail/backtrace.hpp>
#include <tendril/runtime/detail/quiet_threads.hpp>
#include <tendril/runtime/detail/thread_probe.hpp>
#include <tendril/runtime/detail/thread_status.hpp>
#include <tendril/runtime/error.hpp>
#include <tendril/runtime/hub.hpp>
#include <tendril/runtime/watchdog.hpp>

#include <atomic>
#include <condition_variable>
#include <cstdio>
#include <exception>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <pthread.h>
#include <unistd.h>

namespace tendril {
namespace {

std::string in_seconds(duration d) {
    char text[32];
    std::snprintf(text, sizeof text, "%.3f s",
                  std::chrono::duration<double>(d).count());
    return text;
}

std::string in_milliseconds(duration d) {
    return std::to_string(
               std::chrono::duration_cast<std::chrono::milliseconds>(d).count()) +
           " ms";
}

// Signals are for the program's own threads.
class signals_blocked {
  public:
    signals_blocked() {
        sigset_t all;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before_);
    }

    signals_blocked(const signals_blocked&) = delete;
    signals_blocked& operator=(const signals_blocked&) = delete;

    ~signals_blocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

  private:
    sigset_t before_;
};

void to_stderr(const blockage& b) {
    std::fputs(b.text.c_str(), stderr);
}

// The process that has a watchdog; a fork has none, whatever this says.
std::atomic<pid_t> owner{0};

// What is known of one hub that has not switched lately.
struct suspicion {
    time_point since{};           // it has not switched since
    detail::thread_use at_first;  // soon after that, once `looked`
    bool looked = false;
    bool told = false;
};

// What was seen of one that blocks.
struct finding {
    std::uint64_t hub;
    duration lasted;
    detail::thread_use use;
    std::string system_call;
    std::optional<detail::thread_answer> answer;
};

}  // namespace

class watchdog::patrol {
  public:
    explicit patrol(watchdog_options o)
        : options_(std::move(o)), tick_(options_.limit / 4), probe_(options_.signal) {
        const signals_blocked here;
        thread_ = std::thread([this] { run(); });
    }

    patrol(const patrol&) = delete;
    patrol& operator=(const patrol&) = delete;

    ~patrol() {
        {
            const std::lock_guard held(mutex_);
            ending_ = true;
        }
        ends_.notify_one();
        thread_.join();
    }

    pid_t made_by() const noexcept { return process_; }

  private:
    void run() {
        pthread_setname_np(pthread_self(), "tendril-dog");

        struct counted {
            counted() { detail::add_quiet_thread(); }

            counted(const counted&) = delete;
            counted& operator=(const counted&) = delete;

            ~counted() { detail::remove_quiet_thread(); }
        } const this_thread;

        std::unique_lock held(mutex_);
        while (!ends_.wait_for(held, tick_, [this] { return ending_; })) {
            held.unlock();
            go_round();
            held.lock();
        }
    }

    void go_round() noexcept {
        try {
            std::vector<finding> found;
            std::map<std::uint64_t, suspicion> still;
            hub_internals::for_each_hub([&](hub& h) { look_at(h, still, found); });
            suspicions_ = std::move(still);
            // Names of functions take locks of the loader's; not with that of all hubs.
            for (const finding& f : found) tell_of(f);
        } catch (...) {
            detail::report(std::current_exception(), "the watchdog");
        }
    }

    void tell_of(const finding& f) noexcept {
        try {
            blockage b = described(f);
            tell(b);
        } catch (...) {
            detail::report(std::current_exception(), "the watchdog");
        }
    }

    void look_at(hub& h,
                 std::map<std::uint64_t, suspicion>& still,
                 std::vector<finding>& found) {
        const hub_internals::watch_point at = hub_internals::watch(h);
        if (!at.has_fibers || at.asleep) return;
        const auto known = suspicions_.find(at.id);
        // It switched: from here on it is seen whether it does so again.
        if (!at.unswitched.exchange(true, std::memory_order_relaxed) ||
            known == suspicions_.end()) {
            still[at.id].since = clock::now();
            return;
        }
        suspicion& s = still[at.id] = known->second;
        if (!std::exchange(s.looked, true)) s.at_first = detail::use_of(at.thread_id);
        const duration lasted = clock::now() - s.since;
        if (s.told || lasted < options_.limit) return;
        detail::thread_use use = detail::use_of(at.thread_id);
        use.processor -= s.at_first.processor;
        use.faults -= s.at_first.faults;
        // It would go on, and does not get to it. (Of its first tick nothing is known.)
        if (use.runnable && use.processor < options_.limit - tick_) return;
        s.told = true;
        found.push_back(
            {at.id, lasted, use, detail::system_call_of(at.thread_id),
             probe_.ask(at.thread, at.thread_id, std::chrono::milliseconds(50))});
    }

    static blockage described(const finding& f) {
        blockage b;
        b.lasted = f.lasted;
        b.activity = f.system_call;
        const char* const is = b.activity.empty() ? " is " : " is in ";
        if (b.activity.empty()) {
            b.activity = "computing (" + in_milliseconds(f.use.processor) +
                         " of processor time, " + std::to_string(f.use.faults) +
                         " page faults)";
        }
        b.fiber = f.answer ? f.answer->fiber : 0;
        b.name = f.answer ? f.answer->name : "a fiber whose thread does not answer";
        b.text = "tendril: hub " + std::to_string(f.hub) + " has not switched for " +
                 in_seconds(f.lasted) + ": " + b.name + is + b.activity + "\n";
        int number = 0;
        auto kind = detail::frame_kind::interrupted;
        for (void* const frame : f.answer ? f.answer->frames : std::vector<void*>()) {
            b.text += "    #" + std::to_string(number++) + " " +
                      detail::describe_frame(frame, kind) + "\n";
            kind = detail::frame_kind::call;
        }
        return b;
    }

    void tell(blockage& b) {
        const time_point now = clock::now();
        if (told_last_ != time_point() && now - told_last_ < options_.pause) {
            ++untold_;
            return;
        }
        told_last_ = now;
        b.untold = std::exchange(untold_, 0);
        if (b.untold > 0) {
            b.text +=
                "    (" + std::to_string(b.untold) + " more since the last report)\n";
        }
        options_.report ? options_.report(b) : to_stderr(b);
    }

    const pid_t process_ = getpid();
    const watchdog_options options_;
    const duration tick_;
    detail::thread_probe probe_;
    std::map<std::uint64_t, suspicion> suspicions_;  // by number of the hub
    time_point told_last_{};
    std::size_t untold_ = 0;
    std::mutex mutex_;
    std::condition_variable ends_;
    bool ending_ = false;
    std::thread thread_;
};

watchdog::watchdog(watchdog_options options) {
    if (options.limit < std::chrono::milliseconds(1)) {
        detail::fail(errc::bad_argument,
                     "a watchdog's limit must be a millisecond or more");
    }
    if (owner.exchange(getpid()) == getpid()) {
        detail::fail(errc::already_set, "there is a watchdog in this process already");
    }
    try {
        patrol_ = std::make_unique<patrol>(std::move(options));
    } catch (...) {
        owner.store(0);
        throw;
    }
}

watchdog::~watchdog() {
    // In the child of a fork there is no such thread, and perhaps another watchdog.
    if (patrol_->made_by() != getpid()) {
        static_cast<void>(patrol_.release());
        return;
    }
    patrol_ = nullptr;
    owner.store(0);
}

}  // namespace tendril
