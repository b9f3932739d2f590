// callback.hpp - what a hub is given to call, with where in the user's source that was.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <tendril/runtime/detail/call_site.hpp>
#include <tendril/runtime/detail/unique_function.hpp>

#include <memory>
#include <typeinfo>
#include <utility>

namespace tendril::detail {

struct context_values;

class callback {
  public:
    callback() noexcept = default;

    // By conversion, so that `where` is the line that hands the callable to a hub.
    template <convertible_to_function<callback, void> F>
    // NOLINTNEXTLINE(google-explicit-constructor): it is a function
    callback(F&& f, call_site where = call_site::current())
        : f_(std::forward<F>(f)), where_(where) {}

    explicit operator bool() const noexcept { return static_cast<bool>(f_); }

    // REQUIRES  it holds something; so does type().
    void operator()() { f_(); }

    const std::type_info& type() const noexcept { return f_.type(); }

    const call_site& where() const noexcept { return where_; }

    void reset() noexcept { f_.reset(); }

  private:
    unique_function<void()> f_;
    call_site where_;
};

// One that is called again and again, in the context of who gave it. Shared, since it
// may be taken away while it runs.
struct standing_callback {
    callback f;
    std::shared_ptr<const context_values> context;
};

// THROWS  fiber_error (bad_argument) for a null callback; std::bad_alloc.
std::shared_ptr<standing_callback> make_standing(callback f);

}  // namespace tendril::detail
