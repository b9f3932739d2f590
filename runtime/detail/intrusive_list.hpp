// intrusive_list.hpp - a doubly linked list whose links live in its members.
//
// A member is in at most one list at a time and can leave it knowing only itself, which
// is what a waiter that is killed in the middle of a line has to do. No allocation.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

namespace tendril::detail {

struct list_hook {
    list_hook* next = nullptr;
    list_hook* prev = nullptr;

    bool linked() const noexcept { return next != nullptr; }

    // REQUIRES  linked().
    void unlink() noexcept {
        // NOLINTNEXTLINE(clang-analyzer-core.NullDereference): required above
        prev->next = next;
        next->prev = prev;
        next = prev = nullptr;
    }
};

template <class T>
class intrusive_list {
  public:
    intrusive_list() noexcept { head_.next = head_.prev = &head_; }

    intrusive_list(const intrusive_list&) = delete;
    intrusive_list& operator=(const intrusive_list&) = delete;
    ~intrusive_list() = default;

    bool empty() const noexcept { return head_.next == &head_; }

    T& front() noexcept { return static_cast<T&>(*head_.next); }

    void push_back(T& member) noexcept { insert_before(head_, member); }

    void push_front(T& member) noexcept { insert_before(*head_.next, member); }

    T& pop_front() noexcept {
        T& member = front();
        static_cast<list_hook&>(member).unlink();
        return member;
    }

    // The first member of which pred(member) is true; null if there is none.
    template <class P>
    T* find(P pred) noexcept {
        for (list_hook* at = head_.next; at != &head_; at = at->next) {
            if (pred(static_cast<T&>(*at))) return &static_cast<T&>(*at);
        }
        return nullptr;
    }

    // Visits in order. `f` may unlink the member it is given, but no other.
    template <class F>
    void for_each(F f) {
        for (list_hook* at = head_.next; at != &head_;) {
            list_hook* const following = at->next;
            f(static_cast<T&>(*at));
            at = following;
        }
    }

  private:
    static void insert_before(list_hook& at, list_hook& member) noexcept {
        member.next = &at;
        member.prev = at.prev;
        at.prev->next = &member;
        at.prev = &member;
    }

    list_hook head_;
};

}  // namespace tendril::detail
