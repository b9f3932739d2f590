// asio_waits.cpp - the driver by Asio's public interface alone: async_wait per event.
//
// Costs an allocation and an epoll_ctl for each wait, and works with every Boost.
//
// SPDX-License-Identifier: BSL-1.0
#include <tendril/net/detail/boost_error.hpp>
#include <tendril/net/detail/io_driver.hpp>
#include <tendril/runtime/detail/doorbell.hpp>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>

#include <algorithm>
#include <cstddef>
#include <optional>
#include <utility>

namespace tendril::detail {
namespace {

namespace asio = boost::asio;

// Shared with the handlers on their way, which may outlive the watch.
struct registration {
    registration(asio::io_context& context, int fd, event_sink* sink)
        : descriptor(context, fd), sink(sink) {}

    asio::posix::stream_descriptor descriptor;
    event_sink* sink;  // null once the watch is gone
    bool armed[2] = {false, false};
};

class waits_driver final : public io_driver {
  public:
    explicit waits_driver(doorbell& bell) : bell_(bell), ears_(context_, bell.fd()) {
        listen();
    }

    ~waits_driver() override {
        part_from_sinks();
        ears_.release();
        if (epoll_) epoll_->release();
    }

    void poll() override { context_.poll(); }

    void wait(time_point deadline) override {
        if (epoll_ && !std::exchange(hears_epoll_, true)) listen_to_epoll();
        if (deadline == never) {
            context_.run_one();
        } else {
            // Not run_one_until(), which rounds up to milliseconds.
            alarm_.expires_at(deadline);
            alarm_.async_wait([](const boost::system::error_code& /*ec*/) {});
            context_.run_one();
            alarm_.cancel();
        }
        context_.poll();
    }

    void listen_to(int epoll) override {
        with_std_errors([&] { epoll_.emplace(context_, epoll); });
    }

    std::unique_ptr<watch> open(int fd, event_sink& sink) override;

  private:
    void listen() {
        ears_.async_wait(asio::posix::descriptor_base::wait_read,
                         [this](const boost::system::error_code& ec) {
                             if (ec) return;
                             bell_.drain();
                             listen();
                         });
    }

    // For one time, and only from wait(): it stays readable until the hub has looked,
    // and to listen anew at once would keep poll() busy for ever.
    void listen_to_epoll() {
        epoll_->async_wait(
            asio::posix::descriptor_base::wait_read,
            [this](const boost::system::error_code& /*ec*/) { hears_epoll_ = false; });
    }

    asio::io_context context_{1};
    doorbell& bell_;
    asio::posix::stream_descriptor ears_;
    std::optional<asio::posix::stream_descriptor> epoll_;
    bool hears_epoll_ = false;
    asio::steady_timer alarm_{context_};
};

class waits_watch final : public watch {
  public:
    waits_watch(asio::io_context& context,
                intrusive_list<event_sink>& sinks,
                int fd,
                event_sink& sink)
        : shared_(std::make_shared<registration>(context, fd, &sink)) {
        sinks.push_back(sink);
    }

    waits_watch(const waits_watch&) = delete;
    waits_watch& operator=(const waits_watch&) = delete;

    ~waits_watch() override {
        shared_->sink->unlink();
        shared_->sink = nullptr;
        shared_->descriptor.release();
    }

    void expect(direction d) override {
        using base = asio::posix::descriptor_base;
        bool& armed = shared_->armed[static_cast<std::size_t>(d)];
        if (armed) return;
        with_std_errors([&] {
            shared_->descriptor.async_wait(
                d == direction::read ? base::wait_read : base::wait_write,
                [self = shared_, d](const boost::system::error_code& /*ec*/) {
                    self->armed[static_cast<std::size_t>(d)] = false;
                    if (self->sink != nullptr) self->sink->on_event(d, false);
                });
        });
        // Not before: async_wait may throw.
        armed = true;
    }

  private:
    std::shared_ptr<registration> shared_;
};

std::unique_ptr<watch> waits_driver::open(int fd, event_sink& sink) {
    return with_std_errors(
        [&] { return std::make_unique<waits_watch>(context_, sinks_, fd, sink); });
}

}  // namespace

std::unique_ptr<io_driver> make_io_driver(doorbell& bell) {
    return with_std_errors([&] { return std::make_unique<waits_driver>(bell); });
}

}  // namespace tendril::detail
