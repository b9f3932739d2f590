// hub_watch.cpp - what a hub looks out for on its user's behalf: descriptors, signals.
//
// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/detail/readiness.hpp>
#include <tendril/runtime/detail/signal_callbacks.hpp>
#include <tendril/runtime/hub.hpp>

#include <memory>
#include <utility>

namespace tendril {

// -- descriptors

detail::readiness& hub::make_readiness() {
    if (readiness_ == nullptr) {
        auto made = std::make_unique<detail::readiness>(scheduler_);
        driver_->listen_to(made->fd());
        readiness_ = std::move(made);
    }
    return *readiness_;
}

void hub::watch(int fd, detail::direction d, callback f) {
    require_own_thread(d == read ? "hub::add_reader" : "hub::add_writer");
    auto call = detail::make_standing(std::move(f));
    make_readiness().set(fd, d, std::move(call));
}

bool hub::unwatch(int fd, detail::direction d) {
    require_own_thread(d == read ? "hub::remove_reader" : "hub::remove_writer");
    return readiness_ != nullptr && readiness_->remove(fd, d);
}

bool hub::wait_for(int fd, detail::direction d, time_point deadline) {
    require_own_thread(d == read ? "hub::wait_readable" : "hub::wait_writable");
    return make_readiness().wait(fd, d, deadline);
}

bool hub::wait_readable(int fd, time_point deadline) {
    return wait_for(fd, read, deadline);
}

bool hub::wait_writable(int fd, time_point deadline) {
    return wait_for(fd, write, deadline);
}

bool hub::waits_for_descriptors() const noexcept {
    return readiness_ != nullptr && readiness_->waiting();
}

bool hub::serve_descriptors() noexcept {
    return readiness_ != nullptr && readiness_->serve();
}

// -- signals

void hub::add_signal_handler(int signal, callback f) {
    require_own_thread("hub::add_signal_handler");
    auto call = detail::make_standing(std::move(f));
    if (signals_ == nullptr) {
        signals_ = std::make_unique<detail::signal_callbacks>(scheduler_);
    }
    signals_->set(signal, std::move(call));
}

bool hub::remove_signal_handler(int signal) {
    require_own_thread("hub::remove_signal_handler");
    return signals_ != nullptr && signals_->remove(signal);
}

void hub::drop_standing_callbacks() noexcept {
    if (readiness_ != nullptr) readiness_->remove_callbacks();
    if (signals_ != nullptr) signals_->remove_all();
}

}  // namespace tendril
