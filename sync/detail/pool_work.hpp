// pool_work.hpp - one call, on its way through a thread pool.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <tendril/runtime/context_var.hpp>
#include <tendril/runtime/detail/intrusive_list.hpp>
#include <tendril/sync/future.hpp>

#include <exception>
#include <memory>
#include <optional>
#include <utility>

namespace tendril::detail {

// On the heap, and its own: whoever submitted it, and the pool, may be gone while it
// runs. Its members are the pool's, under the pool's lock.
class pool_work : public list_hook {
  public:
    pool_work() = default;
    pool_work(const pool_work&) = delete;
    pool_work& operator=(const pool_work&) = delete;
    virtual ~pool_work() = default;

    // Makes the call, and keeps what it returns or throws.
    virtual void run() noexcept = 0;

    // It has not begun, and never will.
    void drop(const std::exception_ptr& error) noexcept {
        discard();
        outcome->complete(error);
    }

    std::shared_ptr<future_core> outcome;
    std::shared_ptr<pool_work> self;  // held by itself while it is queued or runs
    bool queued = false;

  private:
    // Destroys the callable and its arguments.
    virtual void discard() noexcept = 0;
};

template <class R, class Call>
class pooled_call final : public pool_work {
  public:
    explicit pooled_call(Call&& call)
        : call_(std::move(call)), context_(context::current()) {
        outcome = future_access::core(get_future());
        outcome->set_elsewhere();
    }

    pooled_call(const pooled_call&) = delete;
    pooled_call& operator=(const pooled_call&) = delete;

    // Undone only if it was never taken, which its submitter was told in another way.
    ~pooled_call() override {
        if (!outcome->done()) outcome->forgive();
    }

    // REQUIRES  it has not been submitted.
    future<R> get_future() const noexcept { return promise_.get_future(); }

    void run() noexcept override {
        auto call = [this]() -> decltype(auto) { return context_.run(*call_); };
        promise_.keep_result_of(call, [this] { discard(); });
    }

  private:
    void discard() noexcept override {
        call_.reset();
        context_ = context();
    }

    std::optional<Call> call_;
    context context_;
    promise<R> promise_;
};

}  // namespace tendril::detail
