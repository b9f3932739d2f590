// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/detail/choices.hpp>
#include <tendril/runtime/detail/scheduler.hpp>
#include <tendril/sync/detail/selection.hpp>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <utility>

namespace tendril::detail {
namespace {

// A number below `many`, which is not zero: a test's, if there is one.
std::size_t any_of(std::size_t many) {
    if (choices* const chance = this_scheduler->chance) return chance->pick(many);
    static thread_local std::uint64_t state = 0x9e3779b97f4a7c15U;  // xorshift64
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return static_cast<std::size_t>(state % many);
}

void shuffle(std::span<std::size_t> order) {
    for (std::size_t i = 0; i < order.size(); ++i) {
        order[i] = i;
        std::swap(order[i], order[any_of(i + 1)]);
    }
}

// Several locks, always taken in the order of their addresses.
class all_locked {
  public:
    explicit all_locked(std::span<spin_lock* const> locks) : locks_(locks) { lock(); }

    all_locked(const all_locked&) = delete;
    all_locked& operator=(const all_locked&) = delete;

    ~all_locked() {
        if (held_) unlock();
    }

    void lock() noexcept {
        for (spin_lock* l : locks_) l->lock();
        held_ = true;
    }

    void unlock() noexcept {
        held_ = false;
        for (spin_lock* l : locks_) l->unlock();
    }

  private:
    std::span<spin_lock* const> locks_;
    bool held_ = false;
};

// Holds all locks when none of the cases lacks room any more.
void see_to_room(std::span<select_case* const> cases, all_locked& held) {
    for (;;) {
        const auto at = std::find_if(cases.begin(), cases.end(),
                                     [](select_case* c) { return c->lacks_room(); });
        if (at == cases.end()) return;
        held.unlock();
        (*at)->make_room();
        held.lock();
    }
}

}  // namespace

std::size_t select_one(std::span<select_case* const> cases,
                       std::span<spin_lock*> locks,
                       std::span<std::size_t> order,
                       time_point deadline,
                       bool at_once) {
    current_scheduler();
    std::transform(cases.begin(), cases.end(), locks.begin(),
                   [](select_case* c) { return &c->lock(); });
    std::sort(locks.begin(), locks.end(), std::less<>());
    const auto end = std::unique(locks.begin(), locks.end());
    locks = locks.first(static_cast<std::size_t>(end - locks.begin()));
    shuffle(order);
    std::optional<selection> mine;
    if (!at_once) mine.emplace("select");

    wait_queue::taken woken;
    all_locked held(locks);
    see_to_room(cases, held);
    for (const std::size_t i : order) {
        if (cases[i]->attempt(woken)) return i;
    }
    if (at_once) return none_chosen;
    for (std::size_t i = 0; i < cases.size(); ++i) cases[i]->get_in_line(*mine, i);
    held.unlock();

    struct leave_lines {
        std::span<select_case* const> cases;
        std::span<spin_lock* const> locks;

        ~leave_lines() {
            const all_locked held(locks);
            for (select_case* c : cases) c->leave_line();
        }
    } const at_end{cases, locks};

    return park_until(*mine, deadline) ? mine->chosen() : none_chosen;
}

}  // namespace tendril::detail
