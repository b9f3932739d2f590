// brief_watch.hpp - a hub with nothing to do looks out for letters a moment longer.
//
// To sleep and be woken takes two threads a system call each, and microseconds. If
// another thread answers sooner than that, waiting awake is cheaper for both: the
// sender finds the hub awake and rings no bell. So a hub does that, but only where
// letters have come since it slept last, and seldom where they have not come in time:
// after each watch in vain it lets twice as many chances pass, up to 1,023, so that
// watching costs next to nothing where nobody answers at once, or nobody can because
// there is one processor.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <tendril/runtime/clock.hpp>
#include <tendril/runtime/detail/mailbox.hpp>

#include <algorithm>
#include <chrono>
#include <utility>

namespace tendril::detail {

class brief_watch {
  public:
    // About what it takes to sleep and be woken; I/O and signals wait as long at most.
    static constexpr auto longest = std::chrono::microseconds(20);

    void letter_came() noexcept { expecting_ = true; }

    // True as soon as there is a letter. False at once where none is likely to come,
    // and else after `longest`, or at `deadline`.
    bool sees_letter(const mailbox& mail, time_point deadline) noexcept {
        if (!std::exchange(expecting_, false)) return false;
        if (to_pass_ > 0) {
            --to_pass_;
            return false;
        }
        const bool came = watch(mail, std::min(deadline, clock::now() + longest));
        in_vain_ = came ? 0 : std::min(in_vain_ + 1, 10U);
        to_pass_ = (1U << in_vain_) - 1;
        return came;
    }

  private:
    static bool watch(const mailbox& mail, time_point end) noexcept {
        do {
            for (int looks = 0; looks < 16; ++looks) {
                if (!mail.empty()) return true;
#if defined(__x86_64__) || defined(__i386__)
                __builtin_ia32_pause();
#endif
            }
        } while (clock::now() < end);
        return false;
    }

    bool expecting_ = false;
    unsigned in_vain_ = 0;  // one after the other
    unsigned to_pass_ = 0;  // chances, before the next watch
};

}  // namespace tendril::detail
