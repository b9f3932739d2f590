// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/error.hpp>
#include <tendril/runtime/fiber.hpp>
#include <tendril/sync/exception_group.hpp>
#include <tendril/sync/task_group.hpp>

#include <iterator>
#include <mutex>
#include <new>
#include <string>
#include <utility>

namespace tendril {
namespace {

// Of what the caller's own code did not throw. A cancel is a state, which throws again
// by itself; a kill and a timeout are thrown once.
enum class origin { inside, kill, timeout, cancel };

origin origin_of(const std::exception_ptr& error) noexcept {
    try {
        std::rethrow_exception(error);
    } catch (const greenlet_exit&) {
        return origin::kill;
    } catch (const timed_out&) {
        return origin::timeout;
    } catch (const cancelled&) {
        return origin::cancel;
    } catch (...) {
        return origin::inside;
    }
}

// What a spawn into a cancelled group throws. It says nothing that the group does not
// know, so to the group it is no failure.
class closed_group final : public fiber_error {
  public:
    closed_group(const task_group& group, const std::string& sentence)
        : fiber_error(errc::closed, sentence), group(&group) {}

    const task_group* group;
};

// It comes of the group's cancel, whose layer that is.
bool comes_of_cancel(const task_group& group,
                     const detail::cancel_layer& layer,
                     const std::exception_ptr& error) noexcept {
    try {
        std::rethrow_exception(error);
    } catch (const cancelled& c) {
        return c.from(layer);
    } catch (const closed_group& c) {
        return c.group == &group;
    } catch (...) {
        return false;
    }
}

}  // namespace

namespace detail {

group_member::group_member(task_group& group) : group(group) {
    group.require_open();
    // What fails must not fail to be kept.
    const std::size_t needed = group.failures_.size() + group.running_ + 2;
    if (group.failures_.capacity() < needed) group.failures_.reserve(2 * needed);
    group.members_.push_back(*this);
    ++group.running_;
}

group_member::~group_member() {
    if (linked()) unlink();
    group.let_go(group.running_);
}

void group_member::require_wanted() const {
    if (group.members_cancelled_) throw greenlet_exit{};
}

void group_member::note_failure() noexcept {
    const auto error = std::current_exception();
    if (ends_quietly(error)) return;
    // The group is given it.
    core->failure_seen.store(true);
    group.keep(error);
}

}  // namespace detail

void task_group::require_callable(bool is_null) {
    if (is_null) {
        detail::fail(errc::bad_argument, "a task_group was given nothing to call");
    }
}

void task_group::fail_without_result() {
    detail::fail(errc::unset,
                 "a task_group was cancelled before its body had returned anything");
}

void task_group::require_open() const {
    if (stage_ != stage::running) {
        detail::fail(errc::closed,
                     std::string("a task_group that is ") +
                         (stage_ == stage::unused ? "not running yet" : "over") +
                         " was given work to spawn");
    }
    if (members_cancelled_ || layer_.called) {
        throw closed_group(*this,
                           "a task_group that is cancelled was given work to spawn");
    }
    if (owner_->home != detail::this_scheduler) {
        detail::fail(errc::wrong_thread, "a task_group of another thread, run by " +
                                             describe(*owner_) +
                                             ", was given work to spawn");
    }
}

void task_group::begin() {
    if (stage_ != stage::unused) {
        detail::fail(errc::already_set,
                     "a task_group was run twice; each is for one piece of work");
    }
    detail::scheduler& s = detail::current_scheduler();
    if (s.on_loop()) detail::fail_in_hub("what runs in a task_group");
    failures_.reserve(2);
    owner_ = s.current;
    stage_ = stage::running;
}

void task_group::run_body(const std::function<void()>& body) {
    begin();
    {
        const detail::inside_layer here(layer_);
        try {
            body();
        } catch (...) {
            keep(std::current_exception());
        }
        wait_for_members();
        stage_ = stage::over;
    }
    throw_what_was_kept();
}

// Of the body or a member, or thrown into the caller.
void task_group::keep(std::exception_ptr thrown) noexcept {
    if (!comes_of_cancel(*this, layer_, thrown)) {
        const bool of_caller = detail::this_scheduler->current == owner_;
        if (of_caller && origin_of(thrown) != origin::inside) {
            from_outside_ = std::move(thrown);
            failures_before_ = std::ssize(failures_);
        } else {
            failures_.push_back(std::move(thrown));
        }
    }
    cancel_members();
    if (!layer_.called) detail::cancel(layer_);
}

// What a member that has not begun discards, and who is told of its end, may park, and
// all members end meanwhile: run() waits for this, too. Unless the caller is one whom
// it waits for, the group may be gone after it.
void task_group::cancel_members() noexcept {
    members_cancelled_ = true;
    ++cancelling_;
    while (!members_.empty()) {
        detail::group_member& m = members_.pop_front();
        if (m.layer.entered) {
            detail::cancel(m.layer);
        } else if (m.core != nullptr) {  // or else it is being spawned
            detail::kill_here(*m.core, std::make_exception_ptr(greenlet_exit{}));
        }
    }
    let_go(cancelling_);
}

void task_group::cancel() {
    // From elsewhere, the caller sees to its members when that has reached it, and the
    // group may be gone then.
    const bool at_home = owner_ != nullptr && owner_->home == detail::this_scheduler;
    detail::cancel(layer_);
    if (at_home) cancel_members();
}

void task_group::wait_for_members() noexcept {
    try {
        if (!members_cancelled_) park_until_empty();
    } catch (...) {
        keep(std::current_exception());
    }
    if (running_ + cancelling_ == 0) return;
    const uninterrupted here;
    park_until_empty();
}

void task_group::park_until_empty() {
    while (running_ + cancelling_ > 0) {
        auto held = wait_queue::hold_to_wait(lock_);
        wait_queue::place here("the members of a task_group");
        line_.wait(held, here);
    }
}

// One of what run() waits for has ended.
void task_group::let_go(std::size_t& count) noexcept {
    wait_queue::taken_one woken;
    const std::lock_guard held(lock_);
    --count;
    if (running_ + cancelling_ == 0 && !line_.empty()) woken.set(line_.take_first());
}

void task_group::throw_what_was_kept() {
    if (failures_.empty()) {
        if (from_outside_) std::rethrow_exception(std::move(from_outside_));
        return;
    }
    if (from_outside_) pass_on(std::move(from_outside_));
    throw exception_group(std::move(failures_));
}

// It gives way to failures. Not so that it could be thrown where its scope is gone.
void task_group::pass_on(std::exception_ptr from_outside) {
    switch (origin_of(from_outside)) {
        case origin::kill:
            try {
                detail::kill_here(*owner_, from_outside);
                return;
            } catch (const std::bad_alloc&) {
                // It is told of at least.
            }
            [[fallthrough]];
        case origin::timeout:
            failures_.insert(failures_.begin() + failures_before_,
                             std::move(from_outside));
            break;
        case origin::cancel:
        case origin::inside:
            break;
    }
}

}  // namespace tendril
