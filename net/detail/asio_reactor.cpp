// asio_reactor.cpp - Asio's epoll reactor, driven from below its public interface.
//
// Each descriptor is registered once, edge-triggered, with an operation that never
// completes: Asio's reactor calls its perform() at each event, which tells the sink and
// says "not done". So a fiber's wait needs no epoll_ctl, no allocation and no handler.
//
// What is used of Asio's inside (checked against the Boost versions below; build with
// TENDRIL_ASIO_PUBLIC_ONLY for any other):
//   - scheduler::wait_one/poll/stop/restart,
//   epoll_reactor::{register,deregister}_internal_
//     descriptor and start_op: public members of detail classes
//   - four private members, by explicit instantiation (which access rules do not apply
//     to): to add EPOLLRDHUP to a registration, and to know the end of a batch of
//     events
//
// SPDX-License-Identifier: BSL-1.0
#include <tendril/net/detail/boost_error.hpp>
#include <tendril/net/detail/io_driver.hpp>
#include <tendril/runtime/detail/doorbell.hpp>

#include <boost/asio/detail/epoll_reactor.hpp>
#include <boost/asio/detail/reactor_op.hpp>
#include <boost/asio/detail/scheduler.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/version.hpp>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <optional>
#include <system_error>
#include <utility>

#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

static_assert(
    BOOST_VERSION == 108100,
    "this file knows Asio's inside as of Boost 1.81; for another version build "
    "tendril with -DTENDRIL_ASIO_PUBLIC_ONLY=ON");

namespace tendril::detail {
namespace {

namespace asio = boost::asio;
using asio::detail::epoll_reactor;
using asio::detail::reactor_op;
using descriptor_state = std::remove_pointer_t<epoll_reactor::per_descriptor_data>;
using operation = asio::detail::scheduler_operation;
using operation_queue = asio::detail::op_queue<operation>;

// -- private members

template <class Tag, auto Member>
struct reveal {
    friend constexpr auto member(Tag) { return Member; }
};

struct epoll_fd_tag {
    friend constexpr auto member(epoll_fd_tag);
};

struct registered_events_tag {
    friend constexpr auto member(registered_events_tag);
};

struct op_queue_tag {
    friend constexpr auto member(op_queue_tag);
};

struct task_operation_tag {
    friend constexpr auto member(task_operation_tag);
};

template struct reveal<epoll_fd_tag, &epoll_reactor::epoll_fd_>;
template struct reveal<registered_events_tag, &descriptor_state::registered_events_>;
template struct reveal<op_queue_tag, &asio::detail::scheduler::op_queue_>;
template struct reveal<task_operation_tag, &asio::detail::scheduler::task_operation_>;

// The events with which a descriptor_state is being performed.
struct events_of : operation {
    static std::uint32_t get(descriptor_state* state) noexcept {
        return ((operation*)state)->*(&events_of::task_result_);
    }
};

class asio_reactor;

// The operation that never completes.
struct standing_operation final : reactor_op {
    standing_operation(asio_reactor& owner,
                       descriptor_state*& state,
                       event_sink* sink,
                       direction way) noexcept
        : reactor_op({}, perform_it, destroy_it),
          owner(owner),
          state(state),
          sink(sink),
          way(way) {}

    static status perform_it(reactor_op* base) noexcept;

    // Only ever called to destroy it, when the registration ends; the watch does that.
    static void destroy_it(void* /*owner*/,
                           operation* /*base*/,
                           const boost::system::error_code& /*ec*/,
                           std::size_t /*bytes*/) noexcept {}

    asio_reactor& owner;
    descriptor_state*& state;
    event_sink* sink;  // null for the driver's own descriptors
    direction way;
    bool starting = false;  // Asio tries each operation once when it starts
};

// A descriptor of the driver's own, registered while it lives: an event does nothing
// but end a wait.
class own_watch {
  public:
    own_watch(asio_reactor& owner, int fd);
    own_watch(const own_watch&) = delete;
    own_watch& operator=(const own_watch&) = delete;

    ~own_watch() { give_back(); }

  private:
    void give_back() noexcept {
        reactor_.deregister_internal_descriptor(fd_, state_);
        reactor_.cleanup_descriptor_data(state_);
    }

    epoll_reactor& reactor_;
    int fd_;
    descriptor_state* state_ = nullptr;
    standing_operation op_;
};

// A timerfd.
class timer_descriptor {
  public:
    timer_descriptor()
        : fd_(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK)) {
        if (fd_ < 0) {
            throw std::system_error(errno, std::system_category(), "timerfd_create");
        }
    }

    timer_descriptor(const timer_descriptor&) = delete;
    timer_descriptor& operator=(const timer_descriptor&) = delete;

    ~timer_descriptor() { close(fd_); }

    int fd() const noexcept { return fd_; }

    void set(time_point deadline) noexcept {
        using namespace std::chrono;
        if (deadline == set_for_) return;
        const duration since_boot = deadline.time_since_epoch();
        itimerspec when{};
        when.it_value.tv_sec = duration_cast<seconds>(since_boot).count();
        when.it_value.tv_nsec = (since_boot % seconds(1)).count();
        timerfd_settime(fd_, TFD_TIMER_ABSTIME, &when, nullptr);
        set_for_ = deadline;
    }

  private:
    int fd_;
    time_point set_for_ = never;
};

class asio_reactor final : public io_driver {
  public:
    explicit asio_reactor(doorbell& bell)
        : bell_watch_(*this, bell.fd()), timer_watch_(*this, timer_.fd()) {}

    ~asio_reactor() override { part_from_sinks(); }

    void poll() override { dispatch(0); }

    void wait(time_point deadline) override;

    void listen_to(int epoll) override { epoll_watch_.emplace(*this, epoll); }

    std::unique_ptr<watch> open(int fd, event_sink& sink) override;

    // No event of this batch is left behind the one being dispatched.
    bool end_of_batch() noexcept {
        operation_queue& queue = scheduler_.*member(op_queue_tag{});
        return queue.front() == &(scheduler_.*member(task_operation_tag{}));
    }

    void end_dispatch() { scheduler_.stop(); }

    epoll_reactor& reactor() noexcept { return reactor_; }

    asio::detail::scheduler& scheduler() noexcept { return scheduler_; }

    void add(event_sink& sink) noexcept { sinks_.push_back(sink); }

  private:
    epoll_reactor& started_reactor();
    void dispatch(long microseconds);

    // One runner, but posts from other threads are legal: the scheduler's lock stays,
    // the descriptors' go.
    asio::io_context context_{BOOST_ASIO_CONCURRENCY_HINT_UNSAFE_IO};
    asio::executor_work_guard<asio::io_context::executor_type> work_{
        context_.get_executor()};
    asio::detail::scheduler& scheduler_{
        asio::use_service<asio::detail::scheduler>(context_)};
    epoll_reactor& reactor_{started_reactor()};
    own_watch bell_watch_;
    std::optional<own_watch> epoll_watch_;
    // For the part of a wait that epoll's milliseconds miss.
    timer_descriptor timer_;
    own_watch timer_watch_;
};

reactor_op::status standing_operation::perform_it(reactor_op* base) noexcept {
    auto& self = *static_cast<standing_operation*>(base);
    if (self.starting) return not_done;
    if (self.sink != nullptr) {
        constexpr std::uint32_t unseen = EPOLLRDHUP | EPOLLHUP | EPOLLERR | EPOLLPRI;
        self.sink->on_event(self.way, (events_of::get(self.state) & unseen) != 0);
    }
    if (self.owner.end_of_batch()) self.owner.end_dispatch();
    return not_done;
}

class asio_watch final : public watch {
  public:
    asio_watch(asio_reactor& owner, int fd, event_sink& sink)
        : owner_(owner),
          sink_(sink),
          fd_(fd),
          read_op_(owner, state_, &sink, direction::read),
          write_op_(owner, state_, &sink, direction::write) {
        epoll_reactor& reactor = owner.reactor();
        const int error = reactor.register_internal_descriptor(epoll_reactor::read_op,
                                                               fd, state_, &read_op_);
        if (error != 0) {
            give_back();
            throw std::system_error(error, std::system_category(), "epoll_ctl");
        }
        try {
            add_events(EPOLLRDHUP);
        } catch (...) {
            give_back();
            throw;
        }
        owner.add(sink);
    }

    asio_watch(const asio_watch&) = delete;
    asio_watch& operator=(const asio_watch&) = delete;

    ~asio_watch() override {
        sink_.unlink();
        give_back();
    }

    void expect(direction d) override {
        if (d == direction::read || write_started_) return;
        // Not left to start_op(), which could not say that it failed. From here on
        // epoll reports when writing is possible, and at once if it is.
        add_events(EPOLLOUT);
        write_started_ = true;
        write_op_.starting = true;
        owner_.reactor().start_op(epoll_reactor::write_op, fd_, state_, &write_op_,
                                  false, true);
        write_op_.starting = false;
        // The reactor counts it as work that will complete, which it never does.
        owner_.scheduler().work_finished();
    }

  private:
    // Asio does not ask for EPOLLRDHUP, without which data and FIN that come as one
    // event look like data, and the FIN would be waited for in vain (see
    // descriptor.cpp).
    void add_events(std::uint32_t more) {
        std::uint32_t& registered = state_->*member(registered_events_tag{});
        epoll_event event{.events = registered | more, .data = {.ptr = state_}};
        const int epoll = owner_.reactor().*member(epoll_fd_tag{});
        if (epoll_ctl(epoll, EPOLL_CTL_MOD, fd_, &event) < 0) {
            throw std::system_error(errno, std::system_category(), "epoll_ctl");
        }
        registered |= more;
    }

    void give_back() noexcept {
        owner_.reactor().deregister_internal_descriptor(fd_, state_);
        owner_.reactor().cleanup_descriptor_data(state_);
    }

    asio_reactor& owner_;
    event_sink& sink_;
    int fd_;
    descriptor_state* state_ = nullptr;
    standing_operation read_op_;
    standing_operation write_op_;
    bool write_started_ = false;
};

own_watch::own_watch(asio_reactor& owner, int fd)
    : reactor_(owner.reactor()), fd_(fd), op_(owner, state_, nullptr, direction::read) {
    const int error =
        reactor_.register_internal_descriptor(epoll_reactor::read_op, fd, state_, &op_);
    if (error != 0) {
        give_back();
        throw std::system_error(error, std::system_category(), "epoll_ctl");
    }
}

epoll_reactor& asio_reactor::started_reactor() {
    auto& reactor = asio::use_service<epoll_reactor>(context_);
    reactor.init_task();
    return reactor;
}

void asio_reactor::wait(time_point deadline) {
    using namespace std::chrono;
    if (deadline == never) return dispatch(-1);
    const duration left = deadline - clock::now();
    if (left <= duration::zero()) return dispatch(0);
    // Whole milliseconds by epoll's own time limit, which costs nothing; the hub comes
    // back for the rest. It also comes back once a day, since that limit is an int.
    if (left >= milliseconds(1)) {
        const auto limit = std::min<duration>(floor<milliseconds>(left), days(1));
        return dispatch(duration_cast<microseconds>(limit).count());
    }
    timer_.set(deadline);
    dispatch(-1);
}

// One epoll_wait and all its events: the last one stops the scheduler before that would
// look for more.
void asio_reactor::dispatch(long microseconds) {
    boost::system::error_code ec;
    if (scheduler_.wait_one(microseconds, ec) > 0 && !scheduler_.stopped()) {
        scheduler_.poll(ec);
    }
    scheduler_.restart();
}

std::unique_ptr<watch> asio_reactor::open(int fd, event_sink& sink) {
    return std::make_unique<asio_watch>(*this, fd, sink);
}

}  // namespace

std::unique_ptr<io_driver> make_io_driver(doorbell& bell) {
    return with_std_errors([&] { return std::make_unique<asio_reactor>(bell); });
}

}  // namespace tendril::detail
