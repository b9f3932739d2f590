// endings.hpp - who of several has ended, in the order in which they did.
//
// What gather, wait, as_completed and race stand on: one fiber parks, and each end that
// it watches adds itself to a list and wakes it if it sleeps. Nothing is handed over by
// that wake, so a kill in between loses nothing.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <tendril/runtime/clock.hpp>
#include <tendril/runtime/fiber.hpp>
#include <tendril/runtime/park.hpp>
#include <tendril/sync/future.hpp>
#include <tendril/sync/wait_queue.hpp>

#include <cstddef>
#include <deque>
#include <exception>
#include <memory>
#include <optional>
#include <variant>
#include <vector>

namespace tendril::detail {

// What becomes of a future whose cancel() is false, as that of a call that a thread
// pool has begun.
enum class unending { left_alone, waited_for };

// A fiber or a future, whatever its result.
class awaited {
  public:
    explicit awaited(any_fiber f) noexcept : it_(std::move(f)) {}

    template <class R>
    explicit awaited(const future<R>& f) : it_(required(f)) {}

    bool done() const;

    // Other threads do the work, see waits_elsewhere.
    bool elsewhere() const noexcept;

    // What it ended with; null while it goes on, and after a return. Whoever asks is
    // who was given it.
    std::exception_ptr error() const;

    // Its failure, past or to come, is nobody's concern.
    void forgive() const;

    // Has it killed or cancelled; false if it is a future that cannot be. Neither parks
    // nor waits for that.
    bool end() const;

    void join() const;

    bool watch(waiter& w) const;
    void unwatch(waiter& w) const noexcept;

  private:
    friend std::exception_ptr end_all(const std::vector<awaited>& them,
                                      unending rule) noexcept;

    using shared_core = std::shared_ptr<future_core>;

    template <class R>
    static shared_core required(const future<R>& f) {
        if (!f) fail(errc::dead, "an empty future was waited for");
        return future_access::core(f);
    }

    std::variant<any_fiber, shared_core> it_;
    mutable bool to_join_ = false;  // for end_all(), which must do without memory
};

// Ends all of them and waits until they have, whatever happens to the caller meanwhile;
// those that could not be told, for want of memory, it leaves. Returns the first error.
std::exception_ptr end_all(const std::vector<awaited>& them, unending rule) noexcept;

// The same, for a caller that is ended itself: what goes wrong, the exception hook is
// told, and their failures are nobody's concern.
void give_up(const std::vector<awaited>& them, unending rule) noexcept;

class endings {
  public:
    // REQUIRES  `them` neither changes nor goes.
    // THROWS  fiber_error: dead if one is empty, bad_argument if one is the caller,
    //         in_hub; std::bad_alloc.
    explicit endings(const std::vector<awaited>& them);
    endings(const endings&) = delete;
    endings& operator=(const endings&) = delete;
    ~endings();

    // The place, in the vector, of the one that ended next; parks until there is one.
    // Nothing if `deadline` comes first.
    // REQUIRES  there is one left.
    std::optional<std::size_t> next(time_point deadline = never);

  private:
    struct watch final : waiter {
        watch(endings& owner, std::size_t place);

        endings& owner;
        std::size_t place;
        watch* later = nullptr;  // the one that ended after it
    };

    static void told(waiter& w) noexcept;
    void add(watch& ended) noexcept;

    const std::vector<awaited>& them_;
    std::deque<watch> watches_;
    wait_queue::lock lock_;
    wait_queue line_;  // of one: who called next()
    watch* first_ = nullptr;
    watch** last_ = &first_;
    bool elsewhere_ = false;  // one of them is
};

}  // namespace tendril::detail
