// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/detail/extras.hpp>
#include <tendril/runtime/detail/quiet_threads.hpp>
#include <tendril/runtime/error.hpp>
#include <tendril/runtime/hub.hpp>
#include <tendril/runtime/park.hpp>
#include <tendril/sync/detail/pool_state.hpp>

#include <string>
#include <utility>

#include <pthread.h>

namespace tendril::detail {
namespace {

thread_local const pool_state* own_pool = nullptr;

[[noreturn]] void fail_closed() {
    fail(errc::closed, "work was submitted to a thread pool that has been closed");
}

}  // namespace

// The work stays in its submitter's hands until there is room.
struct pool_state::submitting final : wait_queue::place {
    explicit submitting(const std::shared_ptr<pool_work>& work)
        : place("thread_pool::submit", true), work(work) {}

    const std::shared_ptr<pool_work>& work;
    bool refused = false;  // the pool was closed
};

struct pool_state::resting final : wait_queue::place {
    resting()
        : place("thread_pool", true, wait_queue::interrupts::held_back),
          quiet(hub_internals::quiet(this_scheduler->owner)) {
        if (hub_internals::only_waits(this_scheduler->owner)) quiet.raise();
    }

    // It has been taken out of line.
    void disturb() const noexcept { quiet.lower(); }

    quiet_mark& quiet;
    pool_work* given = nullptr;  // null when the pool closes
};

pool_state::pool_state(thread_pool_options options) : options_(std::move(options)) {
    if (options_.threads < 1) {
        fail(errc::bad_argument, "a thread pool cannot have " +
                                     std::to_string(options_.threads) + " threads");
    }
}

const pool_state* pool_state::own() noexcept {
    return own_pool;
}

std::size_t pool_state::threads() const noexcept {
    const std::lock_guard held(lock_);
    return static_cast<std::size_t>(threads_);
}

std::size_t pool_state::queued() const noexcept {
    const std::lock_guard held(lock_);
    return queue_length_;
}

// -- submitting

bool pool_state::put(const std::shared_ptr<pool_work>& work, bool may_wait) {
    wait_queue::taken_one woken;
    auto held = wait_queue::hold_to_wait(lock_);
    if (closed_) {
        held.unlock();
        fail_closed();
    }
    switch (find_room(work, woken)) {
        case room::found:
            return true;
        case room::in_new_thread:
            held.unlock();
            start_thread(*work);
            return true;
        case room::none:
            break;
    }
    if (!may_wait) return false;
    const waits_elsewhere for_threads;
    submitting here(work);
    submitting_.wait(held, here);
    if (here.refused) fail_closed();
    return true;
}

pool_state::room pool_state::find_room(const std::shared_ptr<pool_work>& work,
                                       wait_queue::taken_one& woken) noexcept {
    if (!resting_.empty()) {
        auto& thread = static_cast<resting&>(resting_.take_first());
        thread.disturb();
        thread.given = work.get();
        work->self = work;
        running_.push_back(*work);
        woken.set(thread);
        return room::found;
    }
    if (threads_ < options_.threads) {
        ++threads_;
        present_ += 2;
        work->self = work;
        running_.push_back(*work);
        return room::in_new_thread;
    }
    if (queue_length_ >= options_.queue) return room::none;
    enqueue(work);
    return room::found;
}

void pool_state::enqueue(const std::shared_ptr<pool_work>& work) noexcept {
    work->self = work;
    work->queued = true;
    queued_.push_back(*work);
    ++queue_length_;
}

void pool_state::unqueue(pool_work& work) noexcept {
    work.unlink();
    work.queued = false;
    --queue_length_;
}

// The first in the queue; null if nobody has any work. `woken` is a submitter, for whom
// there is room now.
pool_work* pool_state::take_queued(wait_queue::taken_one& woken) noexcept {
    // Where there is no queue, the room is here.
    if (queued_.empty()) refill(woken);
    if (queued_.empty()) return nullptr;
    pool_work& first = queued_.front();
    unqueue(first);
    if (queue_length_ < options_.queue) refill(woken);
    return &first;
}

// Lets the first submitter in line have the room that there is.
void pool_state::refill(wait_queue::taken_one& woken) noexcept {
    if (submitting_.empty()) return;
    auto& first = static_cast<submitting&>(submitting_.take_first());
    enqueue(first.work);
    woken.set(first);
}

bool pool_state::cancel(pool_work& work) noexcept {
    std::shared_ptr<pool_work> taken;
    {
        wait_queue::taken_one woken;
        const std::lock_guard held(lock_);
        if (!work.queued) return false;
        unqueue(work);
        taken = std::move(work.self);
        refill(woken);
    }
    taken->drop(std::make_exception_ptr(greenlet_exit{}));
    return true;
}

// -- threads

void pool_state::start_thread(pool_work& first) {
    try {
        std::list<std::thread> made;
        made.emplace_back([self = shared_from_this(), &first] { self->work(first); });
        keep(made);
    } catch (...) {
        first.outcome->forgive();  // told here
        lose_thread(first, std::current_exception());
        leave();
        leave();
        throw;
    }
    leave();
}

void pool_state::keep(std::list<std::thread>& made) noexcept {
    const std::lock_guard held(lock_);
    if (abandoned_) {
        made.front().detach();
    } else {
        to_join_.splice(to_join_.end(), made);
    }
}

// All that a thread does.
void pool_state::work(pool_work& first) noexcept {
    own_pool = this;
    pthread_setname_np(pthread_self(), options_.name.substr(0, 15).c_str());
    if (has_hub(first)) {
        for (pool_work* w = &first; w != nullptr; w = next()) {
            // Nor is a kill for the fiber that came while it rested.
            drop_interrupts(this_scheduler->main);
            w->run();
            forget_work();
            finish(*w);
        }
    }
    // With the fibers that its work has left behind.
    hub_internals::close_this_thread();
    leave();
}

// What one piece of work has done to the fiber that it was in is not the next one's.
void pool_state::forget_work() noexcept {
    fiber_core& main = this_scheduler->main;
    drop_interrupts(main);
    drop_locals(main);
    hub_internals::forget_stop(this_scheduler->owner);
}

bool pool_state::has_hub(pool_work& first) noexcept {
    try {
        current_scheduler();
        return true;
    } catch (...) {
        lose_thread(first, std::current_exception());
        return false;
    }
}

void pool_state::finish(pool_work& work) noexcept {
    std::shared_ptr<pool_work> over;
    const std::lock_guard held(lock_);
    if (work.linked()) work.unlink();
    over = std::move(work.self);
}

// What to do now; null if nothing any more.
pool_work* pool_state::next() {
    wait_queue::taken_one woken;
    std::unique_lock held(lock_);
    if (pool_work* const first = take_queued(woken)) {
        running_.push_back(*first);
        return first;
    }
    if (closed_) {
        --threads_;
        return nullptr;
    }
    return rest(held);
}

pool_work* pool_state::rest(std::unique_lock<wait_queue::lock>& held) {
    const waits_elsewhere for_work;
    resting here;
    resting_.wait(held, here);
    if (here.given != nullptr) return here.given;
    held.lock();
    --threads_;
    return nullptr;
}

// A thread could not be had: neither has what it was to begin with, and if there is no
// other, what others have queued meanwhile.
void pool_state::lose_thread(pool_work& first,
                             const std::exception_ptr& error) noexcept {
    std::shared_ptr<pool_work> lost;
    bool last = false;
    {
        const std::lock_guard held(lock_);
        last = --threads_ == 0;
        if (first.linked()) first.unlink();
        lost = std::move(first.self);
    }
    if (lost) lost->drop(error);
    if (last) drop_queued(error);
}

void pool_state::leave() noexcept {
    wait_queue::taken woken;
    const std::lock_guard held(lock_);
    if (--present_ > 0) return;
    while (!closing_.empty()) woken.add(closing_.take_first());
}

// -- closing

bool pool_state::close(time_point deadline) {
    if (own_pool == this) {
        fail(errc::deadlock,
             "a thread pool was closed by work of its own, which would "
             "wait for itself");
    }
    refuse_more();
    auto held = wait_queue::hold_to_wait(lock_);
    if (present_ == 0 || abandoned_) {
        held.unlock();
    } else {
        const waits_elsewhere for_threads;
        wait_queue::place here("thread_pool::close");
        if (!closing_.wait(held, here, deadline)) abandon();
    }
    return join_threads();
}

void pool_state::close_and_block() noexcept {
    refuse_more();
    join_threads();
}

void pool_state::refuse_more() noexcept {
    {
        wait_queue::taken woken;
        const std::lock_guard held(lock_);
        closed_ = true;
        while (!resting_.empty()) {
            auto& thread = static_cast<resting&>(resting_.take_first());
            thread.disturb();
            woken.add(thread);
        }
        while (!submitting_.empty()) {
            auto& fiber = static_cast<submitting&>(submitting_.take_first());
            fiber.refused = true;
            woken.add(fiber);
        }
    }
    if (options_.at_close == queued_work::drop) drop_queued(abandoned_error());
}

void pool_state::drop_queued(const std::exception_ptr& error) noexcept {
    const auto take = [this]() noexcept -> std::shared_ptr<pool_work> {
        wait_queue::taken_one woken;
        const std::lock_guard held(lock_);
        pool_work* const first = take_queued(woken);
        return first != nullptr ? std::move(first->self) : nullptr;
    };
    while (const auto work = take()) {
        work->outcome->forgive();
        work->drop(error);
    }
}

void pool_state::part_from_running(const std::exception_ptr& error) noexcept {
    const auto take = [this]() noexcept -> std::shared_ptr<pool_work> {
        const std::lock_guard held(lock_);
        return running_.empty() ? nullptr : running_.pop_front().self;
    };
    while (const auto work = take()) {
        work->outcome->forgive();
        work->outcome->complete(error);
    }
}

void pool_state::abandon() noexcept {
    const std::exception_ptr error = abandoned_error();
    std::list<std::thread> left;
    {
        wait_queue::taken woken;
        const std::lock_guard held(lock_);
        closed_ = abandoned_ = true;
        // Nobody waits for them any more.
        while (!closing_.empty()) woken.add(closing_.take_first());
        left.splice(left.end(), to_join_);
    }
    for (std::thread& t : left) t.detach();
    drop_queued(error);
    part_from_running(error);
}

bool pool_state::join_threads() noexcept {
    std::list<std::thread> ended;
    {
        const std::lock_guard held(lock_);
        if (abandoned_) return false;
        ended.splice(ended.end(), to_join_);
    }
    for (std::thread& t : ended) t.join();
    return true;
}

}  // namespace tendril::detail
