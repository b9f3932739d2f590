// pool_state.hpp - what a thread pool and its threads share, and the last of them
// frees.
//
// Work goes straight to a thread that rests, or to a new one, else into the queue, else
// it waits in its submitter's hands: so whoever finishes one looks first at the queue,
// and then for a submitter in line.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <tendril/runtime/clock.hpp>
#include <tendril/runtime/detail/intrusive_list.hpp>
#include <tendril/sync/detail/pool_work.hpp>
#include <tendril/sync/thread_pool.hpp>
#include <tendril/sync/wait_queue.hpp>

#include <cstddef>
#include <exception>
#include <list>
#include <memory>
#include <mutex>
#include <thread>

namespace tendril::detail {

class pool_state : public std::enable_shared_from_this<pool_state> {
  public:
    explicit pool_state(thread_pool_options options);
    pool_state(const pool_state&) = delete;
    pool_state& operator=(const pool_state&) = delete;
    // REQUIRES  it is closed.
    ~pool_state() = default;

    // False if there is no room and it may not wait for some.
    bool put(const std::shared_ptr<pool_work>& work, bool may_wait);

    // True if it was queued: it is dropped.
    bool cancel(pool_work& work) noexcept;

    // See thread_pool::close().
    bool close(time_point deadline);

    // The same where one cannot park.
    void close_and_block() noexcept;

    // Parts from its threads, and from all work.
    void abandon() noexcept;

    std::size_t threads() const noexcept;
    std::size_t queued() const noexcept;

    // The pool whose thread this is; null on others.
    static const pool_state* own() noexcept;

  private:
    struct submitting;
    struct resting;
    enum class room { found, in_new_thread, none };

    room find_room(const std::shared_ptr<pool_work>& work,
                   wait_queue::taken_one& woken) noexcept;
    void enqueue(const std::shared_ptr<pool_work>& work) noexcept;
    void unqueue(pool_work& work) noexcept;
    pool_work* take_queued(wait_queue::taken_one& woken) noexcept;
    void refill(wait_queue::taken_one& woken) noexcept;
    void start_thread(pool_work& first);
    void keep(std::list<std::thread>& made) noexcept;
    void work(pool_work& first) noexcept;
    bool has_hub(pool_work& first) noexcept;
    pool_work* next();
    pool_work* rest(std::unique_lock<wait_queue::lock>& held);
    static void forget_work() noexcept;
    void finish(pool_work& work) noexcept;
    void lose_thread(pool_work& first, const std::exception_ptr& error) noexcept;
    void leave() noexcept;
    void refuse_more() noexcept;
    void drop_queued(const std::exception_ptr& error) noexcept;
    void part_from_running(const std::exception_ptr& error) noexcept;
    bool join_threads() noexcept;

    const thread_pool_options options_;
    mutable wait_queue::lock lock_;
    wait_queue resting_;     // threads
    wait_queue submitting_;  // fibers, until there is room
    wait_queue closing_;     // fibers, until nobody is present
    intrusive_list<pool_work> queued_;
    std::size_t queue_length_ = 0;
    intrusive_list<pool_work> running_;
    std::ptrdiff_t threads_ = 0;
    std::size_t present_ = 0;  // threads, and calls that are making one
    std::list<std::thread> to_join_;
    bool closed_ = false;
    bool abandoned_ = false;
};

}  // namespace tendril::detail
