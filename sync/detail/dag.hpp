// dag.hpp - the keys of a dag_pool: what each has, and what it needs.
//
// Thread rule: one thread.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <tendril/runtime/error.hpp>
#include <tendril/runtime/fiber.hpp>
#include <tendril/sync/detail/dag_needs.hpp>
#include <tendril/sync/flag.hpp>
#include <tendril/sync/propagated_error.hpp>

#include <concepts>
#include <exception>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <type_traits>
#include <utility>
#include <vector>

namespace tendril::detail {

// What can be spawned for a key: Results are what it is given of what that needs.
template <class F, class K, class V, class Results>
concept dag_function = requires(std::decay_t<F>& f,
                                const K& key,
                                const Results& needed) {
    { std::invoke(f, key, needed) } -> std::convertible_to<V>;
};

template <class K, class V>
struct dag_node {
    any_fiber runs;        // that will give it a value
    std::vector<K> needs;  // of that fiber
    std::optional<V> value;
    std::exception_ptr error;
    flag settled;  // it has one of these two
    dag_waiters<dag_node> waiters;

    // REQUIRES  settled.
    const V& value_or_throw() const {
        if (error) std::rethrow_exception(error);
        return *value;
    }
};

template <class K, class V>
class dag {
  public:
    using node = dag_node<K, V>;
    using entry = std::pair<const K, node>;

    // The one of `key`, new if need be; it stays where it is. Makes sure, too, that
    // settle() needs no memory.
    entry& at(const K& key) {
        entry& e = *nodes_.try_emplace(key).first;
        if (settled_.capacity() < nodes_.size()) settled_.reserve(2 * nodes_.size());
        return e;
    }

    // Null if nothing is known of it.
    const node* find(const K& key) const {
        const auto found = nodes_.find(key);
        return found == nodes_.end() ? nullptr : &found->second;
    }

    // In the order of their keys.
    const std::map<K, node>& nodes() const noexcept { return nodes_; }

    // `e` has been given its value or error. Those who wait for it go on.
    void settle(entry& e) noexcept {
        if (!e.second.settled.is_set()) settled_.push_back(&e);
        e.second.settled.set();
        for (auto* const w : e.second.waiters) w->note(e.second);
    }

    // In the order in which they were.
    const std::vector<const entry*>& settled() const noexcept { return settled_; }

    // What the fiber of `key`, if it has one, waits for.
    std::vector<K> missing(const K& key) const {
        std::vector<K> missing;
        const node* const n = find(key);
        if (n == nullptr || !n->runs) return missing;
        for (const K& need : n->needs) {
            const node* const needed = find(need);
            if (needed == nullptr || !needed->settled.is_set()) missing.push_back(need);
        }
        return missing;
    }

    // -- THROW  fiber_error: already_set the first two, deadlock the last.

    static void require_no_fiber(const entry& e) {
        if (!e.second.runs) return;
        fail(errc::already_set,
             "a fiber runs already that will give " + key_text(e.first) + " its value");
    }

    static void require_no_value(const entry& e) {
        if (!e.second.settled.is_set()) return;
        fail(errc::already_set, key_text(e.first) + " has a value already");
    }

    void require_no_circle(const K& key, const std::vector<K>& needs) const {
        std::vector<K> open = needs;
        std::set<K> seen;
        while (!open.empty()) {
            const K next = std::move(open.back());
            open.pop_back();
            if (!(next < key) && !(key < next)) {
                fail(errc::deadlock,
                     "the value of " + key_text(key) + " would be needed for itself");
            }
            if (!seen.insert(next).second) continue;
            for (K& further : missing(next)) open.push_back(std::move(further));
        }
    }

  private:
    std::map<K, node> nodes_;            // none is ever taken out
    std::vector<const entry*> settled_;  // has room for all nodes
};

}  // namespace tendril::detail
