// task_group.hpp - fibers that end before the scope does which they were made in:
// asyncio.TaskGroup, trio's nursery.
//
//     task_group g;
//     g.run([&] {
//         g.spawn([&] { download(a); });
//         g.spawn([&] { download(b); });
//         show_progress();
//     });                                 // here both have ended, whatever happened
//
// So its members may use the caller's variables by reference. run() returns when the
// body has returned and all members have ended, and whoever cancelled them has told
// them all.
//
// The first one that fails, a member or the body, cancels all the others: from then on
// whatever they wait for throws `cancelled` (see cancel.hpp), the newest member's
// first, until they have ended; members that have not begun never do. Then run() throws
// an exception_group of everything that was thrown, but for that. A member that is
// killed alone, or cancelled by a deadline of its own, just ends. What a member threw
// is also given to whoever waits for its fiber.
//
// A kill, timeout or cancel of the caller cancels the members, and is thrown once they
// have ended. If some of them failed meanwhile, the exception_group is thrown instead:
// a timeout's exception is in it then; a kill is thrown at the next park; a cancelled
// scope throws at the next wait in it, as always.
//
// Members may spawn more into the group, also after the body has returned; not once it
// is cancelled: whom that ends has not failed, unless it is in a group inside of this.
// Groups nest.
//
// Thread rule: one group, one thread; cancel() may be called from any, while run() is
// under way.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <tendril/runtime/cancel.hpp>
#include <tendril/runtime/spawn.hpp>
#include <tendril/sync/wait_queue.hpp>

#include <concepts>
#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

namespace tendril {

class task_group;

namespace detail {

// A member's part in its group, from its spawn until what it runs is destroyed.
class group_member : public list_hook {
  public:
    explicit group_member(task_group& group);
    group_member(const group_member&) = delete;
    group_member& operator=(const group_member&) = delete;
    ~group_member();

    // Its turn has come. THROWS  greenlet_exit if the group is cancelled.
    void require_wanted() const;

    // REQUIRES  in the fiber, which is inside the layer.
    void note_failure() noexcept;

    task_group& group;
    cancel_layer layer{false};
    fiber_core* core = nullptr;
};

// Inside a layer as long as this lives.
class inside_layer {
  public:
    explicit inside_layer(cancel_layer& layer) : layer_(layer) { enter(layer); }

    inside_layer(const inside_layer&) = delete;
    inside_layer& operator=(const inside_layer&) = delete;

    ~inside_layer() { leave(layer_); }

  private:
    cancel_layer& layer_;
};

// What a member's fiber runs.
template <class Call>
struct member_call {
    std::unique_ptr<group_member> member;
    Call call;

    std::invoke_result_t<Call&> operator()() {
        const inside_layer here(member->layer);
        member->require_wanted();
        try {
            return call();
        } catch (...) {
            member->note_failure();
            throw;
        }
    }
};

}  // namespace detail

class task_group {
  public:
    task_group() noexcept = default;
    task_group(const task_group&) = delete;
    task_group& operator=(const task_group&) = delete;
    ~task_group() = default;

    // Calls body(), then parks until all members have ended. Returns what body
    // returned. Once for each group.
    // THROWS  exception_group; what was thrown into the caller; fiber_error:
    //         already_set the second time, unset if cancel() has ended a body that was
    //         to return something, in_hub, bad_argument for a null callable.
    template <std::invocable F>
    std::invoke_result_t<F> run(F&& body) {
        using R = std::invoke_result_t<F>;
        const auto& callable = body;
        require_callable(detail::is_null_callable(callable));
        std::optional<
            detail::kept_result<std::conditional_t<std::is_void_v<R>, int, R>>>
            result;
        run_body([&] {
            if constexpr (std::is_void_v<R>) {
                std::invoke(std::forward<F>(body));
            } else {
                result.emplace(std::invoke(std::forward<F>(body)));
            }
        });
        if constexpr (!std::is_void_v<R>) {
            if (!result) fail_without_result();
            return static_cast<R>(*std::move(result));
        }
    }

    // Spawns a member; as spawn() does, for the rest.
    // THROWS  fiber_error: closed when the group is not running or is cancelled,
    //         wrong_thread.
    template <class... Args, detail::spawnable<Args...> F>
    fiber<detail::spawn_result<F, Args...>> spawn(const spawn_options& o,
                                                  F&& f,
                                                  Args&&... args) {
        using Call = detail::bound_call<std::decay_t<F>, std::decay_t<Args>...>;
        const auto& callable = f;
        require_callable(detail::is_null_callable(callable));
        auto member = std::make_unique<detail::group_member>(*this);
        detail::group_member& part = *member;
        auto made = tendril::spawn(
            o, detail::member_call<Call>{
                   std::move(member),
                   Call{{std::forward<F>(f), std::forward<Args>(args)...}}});
        part.core = detail::fiber_access::core(made);
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

    // Ends all members and the body, without an error; also before run(), whose body
    // then ends at its first park. Any thread. Does not park.
    // THROWS  from another thread: std::bad_alloc.
    void cancel();

    // Members that have not ended.
    std::size_t running() const noexcept { return running_; }

  private:
    friend class detail::group_member;

    static void require_callable(bool is_null);
    [[noreturn]] static void fail_without_result();
    void run_body(const std::function<void()>& body);
    void begin();
    void keep(std::exception_ptr thrown) noexcept;
    void wait_for_members() noexcept;
    void park_until_empty();
    void throw_what_was_kept();
    void pass_on(std::exception_ptr from_outside);
    void require_open() const;
    void cancel_members() noexcept;
    void let_go(std::size_t& count) noexcept;

    enum class stage { unused, running, over };

    detail::intrusive_list<detail::group_member> members_;  // not told of a cancel yet
    std::size_t running_ = 0;
    std::size_t cancelling_ = 0;  // calls of cancel_members()
    stage stage_ = stage::unused;
    detail::fiber_core* owner_ = nullptr;
    detail::cancel_layer layer_{false};  // the caller's, in run()
    bool members_cancelled_ = false;
    wait_queue::lock lock_;
    wait_queue line_;  // of one: the caller
    std::vector<std::exception_ptr> failures_;
    std::exception_ptr from_outside_;
    std::ptrdiff_t failures_before_ = 0;  // that
};

}  // namespace tendril
