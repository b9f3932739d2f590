// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/detail/doorbell.hpp>
#include <tendril/runtime/driver.hpp>

#include <algorithm>
#include <array>
#include <ctime>

#include <poll.h>

namespace tendril::detail {
namespace {

// Knows no descriptor but the doorbell's, and the hub's epoll.
class idle_driver final : public driver {
  public:
    explicit idle_driver(doorbell& bell) : bell_(bell) {}

    void poll() override {}

    void wait(time_point deadline) override {
        // The second one is passed over while it is -1.
        std::array<pollfd, 2> ears{{{.fd = bell_.fd(), .events = POLLIN, .revents = 0},
                                    {.fd = epoll_, .events = POLLIN, .revents = 0}}};
        timespec limit{};
        if (deadline != never) {
            using namespace std::chrono;
            const auto left = std::max(deadline - clock::now(), duration::zero());
            limit.tv_sec = duration_cast<seconds>(left).count();
            limit.tv_nsec = (left % seconds(1)).count();
        }
        // EINTR is one of the early returns that wait() allows.
        if (ppoll(ears.data(), ears.size(), deadline == never ? nullptr : &limit,
                  nullptr) > 0) {
            bell_.drain();
        }
    }

    void listen_to(int epoll) override { epoll_ = epoll; }

    bool waiting() const noexcept override { return false; }

    bool worth_polling() const noexcept override { return false; }

  private:
    doorbell& bell_;
    int epoll_ = -1;
};

}  // namespace

std::unique_ptr<driver> make_idle_driver(doorbell& bell) {
    return std::make_unique<idle_driver>(bell);
}

}  // namespace tendril::detail
