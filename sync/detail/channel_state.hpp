// channel_state.hpp - what the two ends of a channel share.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <tendril/runtime/detail/intrusive_list.hpp>
#include <tendril/runtime/detail/spin_lock.hpp>
#include <tendril/runtime/error.hpp>
#include <tendril/sync/detail/ring.hpp>
#include <tendril/sync/detail/selection.hpp>
#include <tendril/sync/wait_queue.hpp>

#include <cstddef>
#include <mutex>
#include <optional>
#include <utility>

namespace tendril::detail {

template <class T>
struct send_offer : offer {
    T* item = nullptr;  // in the sender's hands, until it is claimed
};

template <class T>
struct receive_offer : offer {
    std::optional<T>* slot = nullptr;
};

enum class attempt { done, closed, must_wait };

// All under `lock`, except grow().
template <class T>
class channel_state {
  public:
    explicit channel_state(std::size_t capacity) : capacity_(capacity) {}

    spin_lock lock;

    // REQUIRES  not lacks_room().
    attempt send(T& item, wait_queue::taken& woken) noexcept {
        if (receiver_count_ == 0) return attempt::closed;
        if (auto* const to = claim_first(receivers_)) {
            to->slot->emplace(std::move(item));
            woken.add(*to->of);
            return attempt::done;
        }
        if (items_.size() >= capacity_) return attempt::must_wait;
        items_.push(std::move(item));
        return attempt::done;
    }

    attempt receive(std::optional<T>& slot, wait_queue::taken& woken) noexcept {
        const bool buffered = items_.size() > 0;
        if (buffered) slot.emplace(items_.pop());
        if (auto* const from = claim_first(senders_)) {
            if (buffered) {
                items_.push(std::move(*from->item));
            } else {
                slot.emplace(std::move(*from->item));
            }
            woken.add(*from->of);
            return attempt::done;
        }
        if (buffered) return attempt::done;
        return sender_count_ == 0 ? attempt::closed : attempt::must_wait;
    }

    void get_in_line(send_offer<T>& o) noexcept { senders_.push_back(o); }

    void get_in_line(receive_offer<T>& o) noexcept { receivers_.push_back(o); }

    bool lacks_room() const noexcept {
        return items_.size() < capacity_ && items_.size() == items_.capacity();
    }

    // Without the lock. THROWS  std::bad_alloc.
    void grow() {
        std::unique_lock held(lock);
        const std::size_t full = items_.capacity();
        held.unlock();
        room<T> larger(full == 0 ? 8 : 2 * full);
        held.lock();
        if (items_.capacity() == full) larger = items_.move_into(std::move(larger));
        held.unlock();
    }

    std::size_t size() const noexcept { return items_.size(); }

    std::size_t capacity() const noexcept { return capacity_; }

    // -- ends; the last to go of a kind wakes those who wait at the other one

    void add_sender() noexcept { ++sender_count_; }

    void add_receiver() noexcept { ++receiver_count_; }

    void drop_sender(wait_queue::taken& woken) noexcept {
        if (--sender_count_ == 0) close(receivers_, woken);
    }

    // Items that nobody can receive any more are moved to `left`, for the caller to
    // destroy without the lock.
    void drop_receiver(wait_queue::taken& woken, ring<T>& left) noexcept {
        if (--receiver_count_ > 0) return;
        close(senders_, woken);
        left.swap(items_);
    }

  private:
    // The first that nobody else has claimed; null if there is none.
    template <class Offer>
    static Offer* claim_first(intrusive_list<Offer>& line) noexcept {
        while (!line.empty()) {
            Offer& first = line.pop_front();
            if (first.of->claim(first.number)) return &first;
        }
        return nullptr;
    }

    template <class Offer>
    static void close(intrusive_list<Offer>& line, wait_queue::taken& woken) noexcept {
        while (Offer* const o = claim_first(line)) {
            o->closed = true;
            woken.add(*o->of);
        }
    }

    intrusive_list<send_offer<T>> senders_;
    intrusive_list<receive_offer<T>> receivers_;
    ring<T> items_;
    std::size_t capacity_;
    std::size_t sender_count_ = 0;
    std::size_t receiver_count_ = 0;
};

}  // namespace tendril::detail
