// Arming and cancelling a timer on Boost.Asio: steady_timer with a callback, which is
// told of the cancel, as Asio's users are.
// SPDX-License-Identifier: BSL-1.0
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include <chrono>
#include <random>
#include <vector>

#include "measure.hpp"

namespace {

namespace asio = boost::asio;

void timer_arm_cancel(std::uint64_t n, bench::stopwatch& watch) {
    asio::io_context context(1);
    std::minstd_rand random(1);
    std::uniform_int_distribution<std::int64_t> when(1, 7'200'000'000);
    std::vector<asio::steady_timer> others;
    for (int i = 0; i < 10'000; ++i) {
        others.emplace_back(context, std::chrono::microseconds(when(random)));
        others.back().async_wait([](const boost::system::error_code&) {});
    }
    std::vector<std::chrono::nanoseconds> limits;
    for (std::uint64_t i = 0; i < bench::batch; ++i) {
        limits.push_back(std::chrono::microseconds(when(random)));
    }
    std::uint64_t cancelled = 0;
    watch.start();
    asio::steady_timer timer(context);
    for (std::uint64_t i = 0; i < n; i += bench::batch) {
        for (std::uint64_t k = 0; k < limits.size(); ++k) {
            timer.expires_after(limits[k]);
            timer.async_wait([&](const boost::system::error_code& e) {
                cancelled += e == asio::error::operation_aborted;
            });
            timer.cancel();
            if (k % 64 == 0) context.poll();
        }
        context.poll();
    }
    watch.stop();
    bench::require(cancelled == n, "a timer was not cancelled");
}

constexpr bench::work all[] = {{"timer_arm_cancel", timer_arm_cancel}};

}  // namespace

int main(int argc, char** argv) {
    return bench::run_main(argc, argv, all);
}
