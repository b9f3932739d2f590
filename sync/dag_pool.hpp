// dag_pool.hpp - work whose pieces need the results of others; eventlet's DAGPool.
//
//     dag_pool<std::string, int> work({{"width", 6}});
//     work.spawn("area", {"width", "height"}, [](const auto&, const auto& needed) {
//         return needed.at("width") * needed.at("height");
//     });
//     work.post("height", 7);
//     work.wait("area");                                   // 42
//
// Each key has a value, or an error, or a fiber that will give it one, or, so far,
// nothing: any other fiber may wait for it all the same, and somebody may post() it. A
// key is given a value once. When its function throws, that is the key's error, and at
// once the error of all that need it, whatever else they still wait for: see
// propagated_error.hpp. One that is killed or cancelled leaves its key as if it had
// never been spawned.
//
// K: copyable, with <; to be named in messages, with <<. V: movable. References to
// values hold until the value is replaced, and as long as the pool. Thread rule: one
// thread (fiber_error: wrong_thread); what does not park, also from hub callbacks.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <tendril/runtime/cancel.hpp>
#include <tendril/runtime/error.hpp>
#include <tendril/runtime/fiber.hpp>
#include <tendril/runtime/spawn.hpp>
#include <tendril/sync/detail/dag.hpp>
#include <tendril/sync/detail/dag_completions.hpp>
#include <tendril/sync/detail/home_thread.hpp>
#include <tendril/sync/flag.hpp>
#include <tendril/sync/propagated_error.hpp>

#include <cstddef>
#include <exception>
#include <functional>
#include <map>
#include <type_traits>
#include <utility>
#include <vector>

namespace tendril {

template <class K, class V>
class dag_pool {
    using node = typename detail::dag<K, V>::node;
    using entry = typename detail::dag<K, V>::entry;

  public:
    // What a function is given of what its key needs.
    using results = std::map<K, const V&>;
    using completions = detail::dag_completions<dag_pool, K, V>;

    explicit dag_pool(std::map<K, V> preload = {}) {
        for (auto& [key, value] : preload) post(key, std::move(value));
    }

    dag_pool(const dag_pool&) = delete;
    dag_pool& operator=(const dag_pool&) = delete;

    // Kills what runs, and waits until it has ended.
    // REQUIRES  every wait has come back.
    ~dag_pool() {
        const uninterrupted here;
        while (running_ > 0) {
            for (const auto& [key, n] : dag_.nodes()) {
                if (const any_fiber runs = n.runs) runs.kill();
            }
            if (running_ > 0) wait_for_change();
        }
    }

    // -- giving values

    // Calls f(key, results) in a fiber of its own, once all of `needs` have values.
    // What it returns is the value of `key`, unless it has posted one. Does not park.
    // THROWS  as tendril::spawn; fiber_error: already_set if `key` has a value or fiber
    //         already; deadlock if one of `needs` cannot have a value before it.
    template <detail::dag_function<K, V, results> F>
    void spawn(const K& key, std::vector<K> needs, F&& f) {
        const auto& callable = f;
        if (detail::is_null_callable(callable)) {
            detail::fail(errc::bad_argument, "a dag_pool was given nothing to call");
        }
        entry& e = at(key);
        dag_.require_no_fiber(e);
        dag_.require_no_value(e);
        dag_.require_no_circle(key, needs);
        e.second.needs = std::move(needs);
        auto made = tendril::spawn(
            [here = running_here(*this, e),
             call = std::decay_t<F>(std::forward<F>(f))]() mutable { here.run(call); });
        detail::fiber_access::core(made)->member_of = this;
        e.second.runs = std::move(made);
    }

    // The same f for each key with what it needs.
    template <class F>
    void spawn_many(const std::map<K, std::vector<K>>& needs, const F& f) {
        for (const auto& [key, its_needs] : needs) spawn(key, its_needs, f);
    }

    // Gives `key` a value from outside, or from its own function. With `replace` it may
    // have one. Does not park.
    // THROWS  fiber_error (already_set) if it has one, or a fiber to give it one.
    void post(const K& key, V value, bool replace = false) {
        entry& e = at(key);
        if (!is_current(e.second.runs)) dag_.require_no_fiber(e);
        if (!replace) dag_.require_no_value(e);
        e.second.value = std::move(value);
        e.second.error = nullptr;
        settle(e);
    }

    // -- waiting for them

    // Parks until `key` has a value, whoever gives it.
    // THROWS  propagated_error<K>, what is thrown into the fiber; fiber_error (in_hub).
    const V& wait(const K& key) {
        node& n = at(key).second;
        if (is_current(n.runs) && !n.settled.is_set()) fail_own("its own value");
        n.settled.wait();
        return n.value_or_throw();
    }

    // Parks until no fiber is left, and returns all values.
    // THROWS  as wait(), for the first key, in their order, that has an error;
    //         fiber_error (deadlock) in a fiber of this pool.
    results wait_all() {
        home_.require("a dag_pool");
        while (running_ > 0) wait_for_more_than(dag_.settled().size());
        results all;
        for (const auto& [key, n] : dag_.nodes()) {
            if (n.settled.is_set()) all.emplace(key, n.value_or_throw());
        }
        return all;
    }

    // Keys with their values, in the order in which they have them, until no fiber is
    // left: a range of std::pair<const K&, const V&>. Comparing with end() parks; `*`
    // throws the error of a key, in its place: the next is had by ++.
    completions wait_each() { return completions(*this); }

    // The value that `key` has now, or null. Does not park.
    // THROWS  propagated_error<K>.
    const V* poll(const K& key) const {
        home_.require("a dag_pool");
        const node* const n = dag_.find(key);
        return n != nullptr && n->settled.is_set() ? &n->value_or_throw() : nullptr;
    }

    // -- fibers

    // Ends the fiber of `key`, as if it had never been spawned, and lets it run.
    // THROWS  fiber_error (bad_argument) if it has none.
    void kill(const K& key) {
        const any_fiber runs = at(key).second.runs;
        if (!runs) {
            detail::fail(errc::bad_argument,
                         "nothing runs for " + detail::key_text(key));
        }
        runs.kill();
    }

    // Fibers that have not ended, and their keys.
    std::size_t running() const noexcept { return running_; }

    std::vector<K> running_keys() const {
        return keys_of([](const node& n) { return bool(n.runs); });
    }

    // Keys that have values or errors.
    std::vector<K> keys() const {
        return keys_of([](const node& n) { return n.settled.is_set(); });
    }

    // How many fibers wait for what they need.
    std::size_t waiting() const { return waiting_for().size(); }

    // What the fiber of `key` still waits for. Nothing if it has none.
    std::vector<K> waiting_for(const K& key) const {
        home_.require("a dag_pool");
        return dag_.missing(key);
    }

    // The same of all that wait: who hangs, and for what.
    std::map<K, std::vector<K>> waiting_for() const {
        std::map<K, std::vector<K>> all;
        for (const auto& [key, n] : dag_.nodes()) {
            auto missing = waiting_for(key);
            if (!missing.empty()) all.emplace(key, std::move(missing));
        }
        return all;
    }

  private:
    friend completions;

    // Held by what the fiber of a key calls, until that is over or will never be.
    class running_here {
      public:
        running_here(dag_pool& in, entry& e) noexcept : pool_(&in), entry_(&e) {
            ++pool_->running_;
        }

        running_here(running_here&& other) noexcept
            : pool_(std::exchange(other.pool_, nullptr)), entry_(other.entry_) {}

        running_here& operator=(running_here&&) = delete;

        ~running_here() {
            if (pool_ == nullptr) return;
            entry_->second.runs = {};
            --pool_->running_;
            pool_->changed_.set();
        }

        template <class F>
        void run(F& f) const {
            pool_->run(*entry_, f);
        }

      private:
        dag_pool* pool_;
        entry* entry_;
    };

    template <class F>
    void run(entry& e, F& f) {
        try {
            wait_for_needs(e);
            results needed;
            for (const K& key : e.second.needs) needed.emplace(key, wait(key));
            V value = std::invoke(f, e.first, std::as_const(needed));
            if (e.second.settled.is_set()) return;
            e.second.value = std::move(value);
        } catch (...) {
            const std::exception_ptr thrown = std::current_exception();
            if (detail::ends_quietly(thrown)) throw;
            if (e.second.settled.is_set()) return;
            e.second.error = detail::propagated(e.first, thrown);
        }
        settle(e);
    }

    void wait_for_needs(const entry& e) {
        std::vector<node*> nodes;
        for (const K& key : e.second.needs) nodes.push_back(&at(key).second);
        detail::dag_needs<node>(std::move(nodes)).wait();
    }

    entry& at(const K& key) {
        home_.require("a dag_pool");
        return dag_.at(key);
    }

    void settle(entry& e) noexcept {
        dag_.settle(e);
        changed_.set();
    }

    static bool is_current(const any_fiber& f) noexcept {
        return f && detail::fiber_access::core(f) == detail::this_scheduler->current;
    }

    template <class Which>
    std::vector<K> keys_of(Which which) const {
        home_.require("a dag_pool");
        std::vector<K> keys;
        for (const auto& [key, n] : dag_.nodes()) {
            if (which(n)) keys.push_back(key);
        }
        return keys;
    }

    [[noreturn]] static void fail_own(const char* what) {
        detail::fail(errc::deadlock,
                     detail::describe(*detail::this_scheduler->current) +
                         " of a dag_pool would wait for " + what);
    }

    void wait_for_change() {
        changed_.clear();
        changed_.wait();
    }

    // False if no fiber is left, and no more than `count` keys are settled. Parks until
    // it knows.
    bool wait_for_more_than(std::size_t count) {
        home_.require("a dag_pool");
        while (dag_.settled().size() <= count && running_ > 0) {
            if (detail::this_scheduler->current->member_of == this) {
                fail_own("the end of all its fibers");
            }
            wait_for_change();
        }
        return dag_.settled().size() > count;
    }

    detail::home_thread home_;
    detail::dag<K, V> dag_;
    std::size_t running_ = 0;
    flag changed_;  // since it was last cleared, a key was settled, or a fiber ended
};

}  // namespace tendril
