// pool.hpp - fibers, so many at a time; eventlet's GreenPool.
//
//     pool crawlers(10);
//     for (const url& u : urls) crawlers.spawn_n(fetch, u);    // parks while ten run
//     crawlers.wait_all();
//
//     for (page& p : crawlers.imap(fetch, urls)) index(p);     // in the order of urls
//
// A member has its slot until it has ended, however that comes about: it returns,
// throws, is killed, or is killed before it has begun. Slots go to those who wait in
// the order they came.
//
// A member may spawn into its own pool also when that is full: the new member then runs
// at once, beyond the size, while its spawner waits for its end. So a pool of one can
// walk a tree.
//
// A pool may be destroyed while members run: they run on. Nothing may wait in it then.
//
// Thread rule: any fiber of any thread, and members are fibers of the thread that
// spawns them; what does not park, also from hub callbacks. A range that imap() or one
// of its kin returns is for one fiber.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <tendril/runtime/fiber.hpp>
#include <tendril/runtime/spawn.hpp>
#include <tendril/sync/detail/pool_map.hpp>
#include <tendril/sync/detail/pool_slots.hpp>

#include <cstddef>
#include <memory>
#include <tuple>
#include <type_traits>
#include <utility>

namespace tendril {

namespace detail {

// Calls f with the elements of a tuple.
template <class F>
struct applied {
    F f;

    template <class Tuple>
    decltype(auto) operator()(Tuple&& t) {
        return std::apply(f, std::forward<Tuple>(t));
    }
};

}  // namespace detail

class pool {
  public:
    // With a size of 0 every spawn parks until a resize().
    // THROWS  fiber_error (bad_argument) for a negative size.
    explicit pool(std::ptrdiff_t size = 1000);
    pool(const pool&) = delete;
    pool& operator=(const pool&) = delete;
    // REQUIRES  every wait has come back.
    ~pool() = default;

    // -- members

    // As tendril::spawn, but parks while the pool is full. In a member of the full pool
    // it returns a fiber that has ended; a spawner that is interrupted while it waits
    // for that kills it.
    // THROWS  what is thrown into the fiber (nothing has been spawned then, or it has
    //         ended); as tendril::spawn; fiber_error (in_hub) where it would park.
    template <class... Args, detail::spawnable<Args...> F>
    fiber<detail::spawn_result<F, Args...>> spawn(const spawn_options& o,
                                                  F&& f,
                                                  Args&&... args) {
        const auto& callable = f;
        place in = enter(detail::is_null_callable(callable));
        auto made = tendril::spawn(
            o, member(in, std::forward<F>(f), std::forward<Args>(args)...));
        admit(made, in.exceeds);
        return made;
    }

    template <detail::spawnable F>
    fiber<detail::spawn_result<F>> spawn(F&& f,
                                         call_site where = call_site::current()) {
        return spawn(spawn_options{.where = where}, std::forward<F>(f));
    }

    template <class First, class... Args, detail::spawnable<First, Args...> F>
    fiber<detail::spawn_result<F, First, Args...>> spawn(F&& f,
                                                         First&& first,
                                                         Args&&... args) {
        return spawn(spawn_options{.where = {}}, std::forward<F>(f),
                     std::forward<First>(first), std::forward<Args>(args)...);
    }

    // The same as tendril::spawn_n: for functions whose result nobody wants.
    template <class... Args, detail::spawnable<Args...> F>
    any_fiber spawn_n(const spawn_options& o, F&& f, Args&&... args) {
        const auto& callable = f;
        place in = enter(detail::is_null_callable(callable));
        any_fiber made = tendril::spawn_n(
            o, member(in, std::forward<F>(f), std::forward<Args>(args)...));
        admit(made, in.exceeds);
        return made;
    }

    template <detail::spawnable F>
    any_fiber spawn_n(F&& f, call_site where = call_site::current()) {
        return spawn_n(spawn_options{.where = where}, std::forward<F>(f));
    }

    template <class First, class... Args, detail::spawnable<First, Args...> F>
    any_fiber spawn_n(F&& f, First&& first, Args&&... args) {
        return spawn_n(spawn_options{.where = {}}, std::forward<F>(f),
                       std::forward<First>(first), std::forward<Args>(args)...);
    }

    // Parks until no member is left.
    // THROWS  what is thrown into the fiber; fiber_error: deadlock in a member, in_hub.
    void wait_all();

    // -- a function, called by members for each item of a range
    //
    // Each returns a range for one pass, of what f(item) returns: references to results
    // that may be moved from, std::monostate for void. It begins when it is looked at,
    // reads ahead only as far as there are slots, and holds no more than `size` calls
    // and results at a time. The items are read by the fiber that looks at the results.
    //
    //   comparing with end()   reads ahead; parks if the items do, and, with no call
    //                          under way, while the pool is full
    //   *i                     parks until the result is there; throws what the call
    //                          threw, in its place: the next is had by ++i
    //   ++i                    parks only if *i has not been waited for
    //
    // What interrupts one of these loses nothing: do it again. A range that is left
    // early kills the calls that are under way and waits for their end.
    //
    // `items` is used where it is if it is an lvalue, else moved from; each item is
    // copied or moved to its call. f is kept in the range, one for all calls.

    // In the order of the items.
    // REQUIRES  the pool, and items if an lvalue, outlive the range.
    template <class F, class Items>
    auto imap(F&& f, Items&& items) {
        return detail::pool_map<pool, detail::map_order::as_given, Items,
                                std::decay_t<F>>(*this, std::forward<F>(f),
                                                 std::forward<Items>(items));
    }

    // The same with several arguments: each item is a tuple of them.
    template <class F, class Items>
    auto starmap(F&& f, Items&& items) {
        return imap(detail::applied<std::decay_t<F>>{std::forward<F>(f)},
                    std::forward<Items>(items));
    }

    // As imap(), but those that are done first come first.
    template <class F, class Items>
    auto imap_unordered(F&& f, Items&& items) {
        return detail::pool_map<pool, detail::map_order::as_done, Items,
                                std::decay_t<F>>(*this, std::forward<F>(f),
                                                 std::forward<Items>(items));
    }

    // -- size

    // Lets in as many of those who wait as there is room for now. Members beyond a
    // smaller size run on; nobody is let in until it fits. Does not park.
    // THROWS  fiber_error (bad_argument) for a negative size.
    void resize(std::ptrdiff_t size) { slots_->resize(size); }

    std::ptrdiff_t size() const noexcept { return slots_->size(); }

    // Members that have not ended.
    std::ptrdiff_t running() const noexcept { return slots_->taken(); }

    // How many could be spawned without a wait; negative while there are too many.
    std::ptrdiff_t free() const noexcept { return slots_->free(); }

    // Fibers that wait to spawn.
    std::size_t waiting() const noexcept { return slots_->waiting(); }

  private:
    struct place {
        detail::pool_slot slot;
        bool exceeds;
    };

    template <class F, class... Args>
    static auto member(place& in, F&& f, Args&&... args) {
        using call = detail::bound_call<std::decay_t<F>, std::decay_t<Args>...>;
        return detail::pool_member<call>{
            std::move(in.slot), {{std::forward<F>(f), std::forward<Args>(args)...}}};
    }

    bool is_member() const noexcept;
    place enter(bool null_callable);
    void admit(const any_fiber& made, bool exceeds) const;

    std::shared_ptr<detail::pool_slots> slots_;
};

}  // namespace tendril
