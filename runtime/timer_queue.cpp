// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/timer_queue.hpp>

#include <algorithm>

namespace tendril::detail {
namespace {

constexpr std::size_t ways = 4;

}  // namespace

// Entries are handed on field by field, in registers: one that has just been written to
// memory and is read back in wider parts stalls the processor.
[[gnu::always_inline]] inline void timer_queue::rise(std::size_t at, entry e) noexcept {
    while (at > 0) {
        const std::size_t parent = (at - 1) / ways;
        if (!e.before(heap_[parent])) break;
        place(at, heap_[parent]);
        at = parent;
    }
    place(at, e);
}

void timer_queue::arm(timer_node& t, time_point deadline) {
    heap_.emplace_back();
    rise(heap_.size() - 1, {deadline, ++counter_, &t});
}

void timer_queue::disarm(timer_node& t) noexcept {
    if (!t.armed()) return;
    const std::size_t at = t.index;
    t.index = timer_node::unarmed;
    const entry last = heap_.back();
    heap_.pop_back();
    if (last.timer == &t) return;
    if (at > 0 && last.before(heap_[(at - 1) / ways])) {
        rise(at, last);
    } else {
        sink(at, last);
    }
}

timer_node* timer_queue::take_due(time_point now, std::uint64_t limit) noexcept {
    if (heap_.empty()) return nullptr;
    const entry& first = heap_.front();
    if (first.deadline > now || first.number > limit) return nullptr;
    timer_node* const due = first.timer;
    disarm(*due);
    return due;
}

void timer_queue::sink(std::size_t at, entry e) noexcept {
    const std::size_t size = heap_.size();
    for (;;) {
        const std::size_t first = at * ways + 1;
        if (first >= size) break;
        std::size_t least = first;
        for (std::size_t child = first + 1; child < std::min(first + ways, size);
             ++child) {
            if (heap_[child].before(heap_[least])) least = child;
        }
        if (!heap_[least].before(e)) break;
        place(at, heap_[least]);
        at = least;
    }
    place(at, e);
}

}  // namespace tendril::detail
