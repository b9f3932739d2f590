// SPDX-License-Identifier: BSL-1.0
#include <tendril/net/detail/blocking.hpp>
#include <tendril/net/detail/process_crew.hpp>
#include <tendril/net/detail/worker_process.hpp>
#include <tendril/net/process_pool.hpp>
#include <tendril/runtime/cancel.hpp>
#include <tendril/runtime/error.hpp>
#include <tendril/runtime/hub.hpp>
#include <tendril/runtime/spawn.hpp>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <exception>
#include <span>
#include <string>
#include <system_error>
#include <utility>

#include <sys/socket.h>
#include <unistd.h>

namespace tendril::detail {
namespace {

// Appends so many; false if the worker has gone. Takes little more memory than what has
// come: what was announced may never be.
bool recv_more(net::socket& from, byte_string& to, std::size_t count) {
    constexpr std::size_t most_ahead = std::size_t{1} << 20;
    std::size_t got = to.size();
    const std::size_t end = got + count;
    while (got < end) {
        if (got == to.size()) to.resize(got + std::min(end - got, most_ahead));
        std::error_code ec;
        const std::size_t n = from.recv(std::span(to).subspan(got), ec);
        if (ec || n == 0) return false;
        got += n;
    }
    return true;
}

reply_header header_in(byte_view reply) {
    constexpr std::uint64_t most = PTRDIFF_MAX / 2;
    const auto about = take_plain<reply_header>(reply);
    if (about.failed <= 1 && about.size <= most) return about;
    throw std::system_error(std::make_error_code(std::errc::protocol_error),
                            "the reply of a worker process");
}

// Others may have it: a process that the worker has forked, or this one has.
void shut_down(net::socket& worker) noexcept {
    std::error_code ec;
    worker.shutdown(net::shutdown_mode::both, ec);
    worker = net::socket();
}

// As long as it lives, the end of a worker's process ends what is waited for on its
// socket, whoever else has that.
class death_watch {
  public:
    death_watch(const process_handle& process, const net::socket& socket)
        : fd_(process.fd()) {
        if (fd_ < 0) return;
        hub::current().add_reader(
            fd_, [to = socket.native_handle()] { ::shutdown(to, SHUT_RDWR); });
    }

    death_watch(const death_watch&) = delete;
    death_watch& operator=(const death_watch&) = delete;

    ~death_watch() {
        if (fd_ >= 0) hub::current().remove_reader(fd_);
    }

  private:
    int fd_;
};

remote_error error_in(byte_view reply) {
    auto type = take_value<std::string>(reply);
    return {std::move(type), take_value<std::string>(reply)};
}

}  // namespace

// One of its fibers. Made before the fiber is, so that one that never begins is counted
// out as well.
class process_crew::member {
  public:
    member(std::shared_ptr<process_crew> crew, worker own) noexcept
        : crew_(std::move(crew)), own_(std::move(own)) {
        ++crew_->serving_;
    }

    member(member&&) noexcept = default;
    member& operator=(member&&) = delete;

    ~member() {
        if (!crew_ || !crew_->is_ours()) return;
        if (!begun_) {
            // This may be a hub callback, where nothing parks. Its worker is idle, and
            // ends by itself; the zygote's end is the last of it.
            shut_down(own_->socket);
        } else if (own_) {
            const uninterrupted here;
            crew_->lose(own_, !by_itself_);
        }
        crew_->count_out();
    }

    void serve() {
        begun_ = true;
        crew_->serve_calls(own_);
        by_itself_ = true;
    }

  private:
    std::shared_ptr<process_crew> crew_;  // null: moved from
    std::optional<worker> own_;
    bool begun_ = false;
    bool by_itself_ = false;
};

process_crew::process_crew() : owner_(getpid()), zygote_(work_for_parent) {}

std::shared_ptr<process_crew> process_crew::make(std::size_t workers) {
    std::shared_ptr<process_crew> made(new process_crew);
    made->start(made, workers);
    return made;
}

void process_crew::start(const std::shared_ptr<process_crew>& self,
                         std::size_t workers) {
    std::vector<worker> made;
    while (made.size() < workers) made.push_back(make_worker());
    // What is not in there could not be called back.
    fibers_.reserve(workers);
    // They live as long as the pool does, whatever limits its maker has.
    const uninterrupted here;
    try {
        for (worker& w : made) {
            fibers_.push_back(spawn({.name = "process_pool"},
                                    [own = member(self, std::move(w))]() mutable {
                                        member(std::move(own)).serve();
                                    }));
        }
    } catch (...) {
        // They have not begun, and never will.
        for (const auto& f : fibers_) f.kill();
        throw;
    }
}

bool process_crew::is_ours() const noexcept {
    return getpid() == owner_;
}

process_crew::worker process_crew::make_worker() {
    zygote::worker made = zygote_.make();
    try {
        return {.process = made.process,
                .socket = net::socket(made.socket),
                .handle = std::move(made.handle)};
    } catch (...) {
        ::close(made.socket);
        zygote_.bury(made.process, true);
        throw;
    }
}

// While nothing is asked of it, it has nothing to say but that.
bool process_crew::worker::has_gone() const noexcept {
    char byte = 0;
    return handle.has_ended() ||
           recv(socket.native_handle(), &byte, 1, MSG_DONTWAIT | MSG_PEEK) >= 0 ||
           !would_block(errno);
}

bool process_crew::put(std::shared_ptr<process_call> call) {
    return calls_.try_put(std::move(call));
}

// -- the fiber of a worker

// The last one out: nobody does what is left.
void process_crew::count_out() noexcept {
    if (--serving_ > 0) return;
    calls_.close();
    drop_calls();
}

void process_crew::serve_calls(std::optional<worker>& own) {
    for (const auto& call : calls_) {
        if (!call->claim()) continue;
        if (own && own->has_gone()) lose(own, false);
        try {
            if (!own) own = make_worker();
            do_call(own, *call);
        } catch (const std::exception&) {
            // No memory, or no process. What a worker says next is of no use.
            call->fail(std::current_exception());
            if (own) lose(own, true);
        }
    }
}

int process_crew::lose(std::optional<worker>& own, bool now) noexcept {
    shut_down(own->socket);
    return zygote_.bury(std::exchange(own, std::nullopt)->process, now);
}

void process_crew::do_call(std::optional<worker>& own, process_call& call) {
    const std::optional<byte_string> reply = exchange(*own, call);
    if (!reply) {
        call.fail(std::make_exception_ptr(worker_died(lose(own, false))));
        return;
    }
    byte_view rest = *reply;
    if (take_plain<reply_header>(rest).failed != 0) {
        call.fail(std::make_exception_ptr(error_in(rest)));
    } else {
        call.keep(rest);
    }
}

// Header and all; nothing if the worker has died.
std::optional<byte_string> process_crew::exchange(worker& with,
                                                  const process_call& call) {
    const request_header header{.entry = call.entry, .size = call.request.size()};
    const death_watch until_over(with.handle, with.socket);
    std::error_code ec;
    with.socket.send_all(std::as_bytes(std::span(&header, 1)), ec);
    if (!ec) with.socket.send_all(std::span(call.request), ec);
    byte_string reply;
    if (ec || !recv_more(with.socket, reply, sizeof(reply_header)) ||
        !recv_more(with.socket, reply, header_in(reply).size)) {
        return std::nullopt;
    }
    return reply;
}

// -- closing

void process_crew::drop_calls() noexcept {
    while (calls_.try_get()) continue;
}

bool process_crew::close(time_point deadline) {
    calls_.close();
    bool in_time = true;
    for (const auto& f : fibers_) in_time = in_time && f.join(deadline);
    if (in_time) return true;
    // Their workers go with them.
    const uninterrupted here;
    for (const auto& f : fibers_) f.kill();
    const time_point last = after(hub::current().now(), std::chrono::seconds(1));
    bool over = true;
    for (const auto& f : fibers_) over = over && f.join(last);
    if (!over) {
        // It is stopped, perhaps; or there are many that do not end by themselves.
        zygote_.kill();
        for (const auto& f : fibers_) f.join();
    }
    // Where none had begun, it was nobody's.
    drop_calls();
    return false;
}

}  // namespace tendril::detail
