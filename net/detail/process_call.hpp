// process_call.hpp - a call that another process makes, as both of them see it.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <tendril/net/detail/wire.hpp>
#include <tendril/sync/future.hpp>

#include <atomic>
#include <cstddef>
#include <exception>
#include <memory>
#include <tuple>
#include <type_traits>
#include <utility>

namespace tendril::detail {

// What the worker calls: reads its arguments, appends its result. At the same address
// in both, since a worker is a fork.
using process_entry = void (*)(byte_view arguments, byte_string& result);

template <class R, class... P>
struct process_function {
    using pointer = R (*)(P...);

    static void run(byte_view from, byte_string& to) {
        const auto f = take_plain<pointer>(from);
        // In braces, so that they are read in order.
        std::tuple<std::remove_cvref_t<P>...> arguments{
            take_value<std::remove_cvref_t<P>>(from)...};
        std::apply(
            [&](auto&... a) {
                if constexpr (std::is_void_v<R>) {
                    f(static_cast<P&&>(a)...);
                } else {
                    write_value<std::remove_cvref_t<R>>(to, f(static_cast<P&&>(a)...));
                }
            },
            arguments);
    }

    template <class... Args>
    static byte_string request(pointer f, Args&&... args) {
        byte_string all;
        write_plain(all, f);
        (write_value<std::remove_cvref_t<P>>(
             all, std::remove_cvref_t<P>(std::forward<Args>(args))),
         ...);
        return all;
    }
};

// On its way through a pool of processes.
class process_call {
  public:
    process_call(process_entry entry, byte_string request)
        : entry(entry), request(std::move(request)) {}

    process_call(const process_call&) = delete;
    process_call& operator=(const process_call&) = delete;
    virtual ~process_call() = default;

    // True for the first who asks: whoever begins it, or calls it off.
    bool claim() noexcept { return !claimed_.exchange(true); }

    // REQUIRES  it is over just once, by one of these.
    virtual void keep(byte_view result) = 0;
    virtual void fail(std::exception_ptr error) noexcept = 0;

    const process_entry entry;
    const byte_string request;

  private:
    std::atomic<bool> claimed_{false};
};

template <class R>
class process_call_of final : public process_call {
  public:
    using process_call::process_call;

    process_call_of(const process_call_of&) = delete;
    process_call_of& operator=(const process_call_of&) = delete;

    // Undone only if it was dropped, of which those who wait for it are told.
    ~process_call_of() override {
        if (const auto core = future_access::core(get_future())) core->forgive();
    }

    // REQUIRES  it has not been submitted.
    future<R> get_future() const noexcept { return outcome_.get_future(); }

    void keep(byte_view result) override {
        if constexpr (std::is_void_v<R>) {
            outcome_.keep();
        } else {
            outcome_.keep(take_value<R>(result));
        }
    }

    void fail(std::exception_ptr error) noexcept override {
        outcome_.fail(std::move(error));
    }

  private:
    promise<R> outcome_;
};

}  // namespace tendril::detail
