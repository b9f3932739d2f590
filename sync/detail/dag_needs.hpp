// dag_needs.hpp - what one fiber of a dag_pool waits for: values of all that it needs,
// or the error of any.
//
// Thread rule: one thread.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <tendril/sync/flag.hpp>

#include <set>
#include <utility>
#include <vector>

namespace tendril::detail {

// Node: has settled, value_or_throw() and waiters, a dag_waiters of itself.
template <class Node>
class dag_needs {
  public:
    explicit dag_needs(std::vector<Node*> nodes) : nodes_(std::move(nodes)) {
        try {
            for (Node* const n : nodes_) n->waiters.insert(this);
        } catch (...) {
            leave();
            throw;
        }
    }

    dag_needs(const dag_needs&) = delete;
    dag_needs& operator=(const dag_needs&) = delete;

    ~dag_needs() { leave(); }

    // Parks until all have values.
    // THROWS  the first error that one has; what is thrown into the fiber.
    void wait() {
        for (const Node* const n : nodes_) {
            if (n->settled.is_set()) n->value_or_throw();
        }
        for (const Node* const n : nodes_) {
            while (!n->settled.is_set()) {
                awaited_ = n;
                changed_.clear();
                changed_.wait();
                if (failed_ != nullptr)
                    std::exchange(failed_, nullptr)->value_or_throw();
            }
        }
    }

    // One of them has been given its value or error.
    void note(const Node& n) noexcept {
        if (n.error && failed_ == nullptr) failed_ = &n;
        if (failed_ != nullptr || awaited_ == &n) changed_.set();
    }

  private:
    void leave() noexcept {
        for (Node* const n : nodes_) n->waiters.erase(this);
    }

    std::vector<Node*> nodes_;
    const Node* awaited_ = nullptr;
    const Node* failed_ = nullptr;
    flag changed_;
};

template <class Node>
using dag_waiters = std::set<dag_needs<Node>*>;

}  // namespace tendril::detail
