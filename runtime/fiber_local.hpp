// fiber_local.hpp - a variable of which every fiber has its own.
//
//     fiber_local<request_id> id;
//     id.get() = 7;                 // this fiber's, made on first use
//
// Each fiber's value is made by its first get() (default-constructed, or by the
// function given) and destroyed when the fiber ends, last made variable first.
// thread_local, in contrast, is shared by all fibers of a thread.
//
// Declare them static or global: slots are numbered for the life of the process.
// Cost: one vector index; one allocation per fiber and value at first use.
// Thread rule: any fiber of any thread; main() and plain threads count as fibers.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <tendril/runtime/detail/extras.hpp>
#include <tendril/runtime/detail/scheduler.hpp>
#include <tendril/runtime/error.hpp>

#include <cstddef>
#include <functional>
#include <memory>
#include <utility>

namespace tendril {

namespace detail {
std::size_t new_local_slot() noexcept;
}

template <class T>
class fiber_local {
  public:
    fiber_local()
        : make_([] { return std::make_unique<T>(); }),
          slot_(detail::new_local_slot()) {}

    // `make` returns the first value of each fiber.
    // THROWS  fiber_error (bad_argument) for a null one.
    explicit fiber_local(std::function<T()> make) : slot_(detail::new_local_slot()) {
        if (!make) {
            detail::fail(errc::bad_argument,
                         "a fiber_local was given nothing to make its values with");
        }
        make_ = [make = std::move(make)] { return std::make_unique<T>(make()); };
    }

    fiber_local(const fiber_local&) = delete;
    fiber_local& operator=(const fiber_local&) = delete;
    ~fiber_local() = default;

    // The calling fiber's value. Does not park.
    T& get() const {
        detail::local_value& v = place();
        if (v.value == nullptr) {
            // The function may use other fiber_locals, which may move the places.
            T* const made = make_().release();
            place() = {made, [](void* at) noexcept { delete static_cast<T*>(at); }};
            return *made;
        }
        return *static_cast<T*>(v.value);
    }

    T& operator*() const { return get(); }

    T* operator->() const { return &get(); }

  private:
    detail::local_value& place() const {
        auto& locals = detail::extras_of(*detail::current_scheduler().current).locals;
        if (locals.size() <= slot_) locals.resize(slot_ + 1);
        return locals[slot_];
    }

    std::function<std::unique_ptr<T>()> make_;
    std::size_t slot_;
};

}  // namespace tendril
