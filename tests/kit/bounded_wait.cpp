// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/detail/scheduler.hpp>
#include <tendril/runtime/hub.hpp>
#include <tendril/runtime/park.hpp>
#include <tendril/runtime/trace.hpp>
#include <tendril/test/bounded_wait.hpp>

#include <chrono>
#include <cstdint>
#include <utility>

namespace tendril::test {
namespace {

// Takes the calling fiber out of its wait after so many switches.
class turns final : detail::interrupt {
  public:
    struct over {};

    explicit turns(long most)
        : waiting_(*detail::current_scheduler().current), left_(most) {
        raise = [](interrupt&) { throw over{}; };
        drop = [](interrupt&) noexcept {};
        before_ =
            set_trace([this](trace_event e, std::uint64_t from, std::uint64_t to) {
                if (before_) before_(e, from, to);
                if (--left_ == 0) waiting_.home->interrupt_fiber(waiting_, *this);
            });
    }

    turns(const turns&) = delete;
    turns& operator=(const turns&) = delete;

    ~turns() {
        set_trace(std::move(before_));
        detail::withdraw(waiting_, *this);
    }

  private:
    detail::fiber_core& waiting_;
    tracer before_;
    long left_;
};

// What it has taken too long by; null if it has ended.
const char* too_long(const any_fiber& f, long switches) {
    try {
        const turns limit(switches);
        const time_point deadline = hub::current().now() + std::chrono::hours(1);
        return f.join(deadline) ? nullptr : "an hour";
    } catch (const turns::over&) {
        return "a million switches";
    }
}

}  // namespace

std::string bounded_wait(const any_fiber& f) {
    const char* const bound = too_long(f, 1'000'000);
    if (bound == nullptr) return {};
    std::string problem = std::string("not over after ") + bound;
    constexpr int most = 10;
    for (int kills = 0; kills < most; ++kills) {
        f.kill();
        if (too_long(f, 10'000) == nullptr) return problem;
    }
    return problem + ", and alive after " + std::to_string(most) +
           " kills: " + detail::describe(*detail::fiber_access::core(f));
}

}  // namespace tendril::test
