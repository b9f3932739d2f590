// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/cancel.hpp>
#include <tendril/runtime/detail/scheduler.hpp>
#include <tendril/runtime/park.hpp>
#include <tendril/sync/hub_thread.hpp>

#include <cstddef>
#include <exception>
#include <utility>

#include <pthread.h>

namespace tendril {
namespace {

void tell(const exception_hook& hook) noexcept {
    constexpr auto where = "the end of a hub thread";
    if (!hook) return detail::report(std::current_exception(), where);
    try {
        hook(std::current_exception(), where);
    } catch (...) {
        // As with the hook of the process: it is ignored.
    }
}

void serve(hub& h, const exception_hook& on_error) noexcept {
    try {
        h.run_forever();
    } catch (const greenlet_exit&) {
        // The thread's way to be killed.
    } catch (...) {
        tell(on_error);
    }
}

}  // namespace

// In the frame of who makes it, until it is told.
struct hub_thread::beginning {
    flag told;
    tendril::hub* made = nullptr;
    std::exception_ptr error;
};

hub_thread::hub_thread(hub_thread_options o) : hub_(start(std::move(o))) {}

hub_thread::~hub_thread() {
    stop();
    const detail::scheduler* const s = detail::this_scheduler;
    // The thread itself is waited for in any case, when its member goes.
    if (s == nullptr || s->on_loop()) return;
    const uninterrupted here;
    ended_.wait();
}

hub_handle hub_thread::start(hub_thread_options o) {
    if (detail::current_scheduler().on_loop()) detail::fail_in_hub("a hub_thread");
    stop_.open = [](detail::letter&) {
        // Unless the hub has closed meanwhile.
        if (detail::this_scheduler != nullptr) tendril::hub::current().stop();
    };
    const uninterrupted here;
    beginning b;
    thread_ = std::jthread([this, o = std::move(o), &b] {
        run(o, b);
        ended_.set();
    });
    b.told.wait();
    if (b.error) std::rethrow_exception(std::move(b.error));
    running_ = b.made;
    return running_->handle();
}

void hub_thread::run(const hub_thread_options& o, beginning& b) noexcept {
    constexpr std::size_t longest_name = 15;
    if (!o.name.empty()) {
        pthread_setname_np(pthread_self(), o.name.substr(0, longest_name).c_str());
    }
    try {
        b.made = &hub::current();
    } catch (...) {
        b.error = std::current_exception();
        return b.told.set();
    }
    tendril::hub& mine = *b.made;
    b.told.set();
    serve(mine, o.on_error);
    if (o.at_end) o.at_end();
    // Here, and not when the thread goes, so that whoever waits for it may park.
    hub_internals::close_this_thread();
}

void hub_thread::stop() noexcept {
    if (!asked_.exchange(true)) hub_internals::send(*running_, stop_);
}

bool hub_thread::is_current() const noexcept {
    return detail::this_scheduler == &hub_internals::scheduler(*running_);
}

bool hub_thread::join(time_point deadline) {
    if (is_current()) {
        detail::fail(errc::bad_argument, "a hub_thread waits for its own end");
    }
    return ended_.wait_until(deadline);
}

}  // namespace tendril
