// signal_storm.hpp - a signal each millisecond, whose handler does not restart what it
// interrupts.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <atomic>
#include <cerrno>
#include <csignal>
#include <system_error>

#include <sys/time.h>

namespace tendril::test {

class signal_storm {
  public:
    signal_storm() {
        struct sigaction counting {};

        counting.sa_handler = [](int) { ++count; };
        const itimerval each_millisecond{{0, 1000}, {0, 1000}};
        if (sigaction(SIGALRM, &counting, &before_) != 0 ||
            setitimer(ITIMER_REAL, &each_millisecond, nullptr) != 0) {
            throw std::system_error(errno, std::system_category(), "signal_storm");
        }
    }

    signal_storm(const signal_storm&) = delete;
    signal_storm& operator=(const signal_storm&) = delete;

    ~signal_storm() {
        const itimerval none{};
        setitimer(ITIMER_REAL, &none, nullptr);
        sigaction(SIGALRM, &before_, nullptr);
    }

    long handled() const noexcept { return count; }

  private:
    static inline std::atomic<long> count{0};

    struct sigaction before_ {};
};

}  // namespace tendril::test
