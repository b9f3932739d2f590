// mailbox.hpp - how other threads reach a hub: push from any thread, take from one.
//
// An intrusive stack of letters, taken whole and turned round, so first in is first
// out. push() is one compare-and-swap; it says whether the hub has to be woken, which
// is so only for the first letter after a take. close() makes every later push fail, so
// that a letter is either delivered or known to have no reader.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <atomic>

namespace tendril::detail {

struct letter {
    letter* next_letter = nullptr;
    void (*open)(letter&) = nullptr;  // called once, on the hub's own thread
};

// Atomic is another one in tests that try every order of its steps.
template <template <class> class Atomic>
class basic_mailbox {
  public:
    enum class pushed { first, more, refused };

    pushed push(letter& l) noexcept {
        letter* head = head_.load(std::memory_order_acquire);
        do {
            if (head == closed()) return pushed::refused;
            l.next_letter = head;
        } while (!head_.compare_exchange_weak(head, &l, std::memory_order_seq_cst,
                                              std::memory_order_acquire));
        return head == nullptr ? pushed::first : pushed::more;
    }

    bool empty() const noexcept {
        return head_.load(std::memory_order_seq_cst) == nullptr;
    }

    // All letters so far, oldest first. Owner only.
    letter* take() noexcept {
        if (head_.load(std::memory_order_relaxed) == nullptr) return nullptr;
        return oldest_first(head_.exchange(nullptr, std::memory_order_acquire));
    }

    // Refuses letters from here on and returns the last ones. Owner only.
    letter* close() noexcept {
        return oldest_first(head_.exchange(closed(), std::memory_order_acq_rel));
    }

  private:
    letter* closed() noexcept { return reinterpret_cast<letter*>(this); }

    static letter* oldest_first(letter* newest) noexcept {
        letter* oldest = nullptr;
        while (newest) {
            letter* const following = newest->next_letter;
            newest->next_letter = oldest;
            oldest = newest;
            newest = following;
        }
        return oldest;
    }

    Atomic<letter*> head_{nullptr};
};

using mailbox = basic_mailbox<std::atomic>;

}  // namespace tendril::detail
