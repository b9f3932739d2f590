// exception_group.hpp - several exceptions kept as one: what a task_group throws.
//
//     try {
//         group.run(...);
//     } catch (const exception_group& g) {
//         for (const std::exception_ptr& e : g.exceptions()) log(e);
//     }
//
// Also for a single one, so that code which handles it is right whatever fails. Groups
// that were thrown in groups stay nested.
//
// Thread rule: any thread; it never changes.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace tendril {

class exception_group final : public std::exception {
  public:
    // THROWS  fiber_error (bad_argument) if there is none, or a null one.
    explicit exception_group(std::vector<std::exception_ptr> exceptions);

    // In the order in which they were thrown.
    const std::vector<std::exception_ptr>& exceptions() const noexcept {
        return shared_->exceptions;
    }

    // "2 exceptions: std::runtime_error: disk full; X"
    const char* what() const noexcept override { return shared_->sentence.c_str(); }

    // There is an E among them, or in a group among them.
    template <class E>
    bool contains() const {
        return any_of([](const std::exception_ptr& e) {
            try {
                std::rethrow_exception(e);
            } catch (const E&) {
                return true;
            } catch (...) {
                return false;
            }
        });
    }

  private:
    struct contents {
        std::vector<std::exception_ptr> exceptions;
        std::string sentence;
    };

    bool any_of(const std::function<bool(const std::exception_ptr&)>& is) const;

    std::shared_ptr<const contents> shared_;  // copying an exception must not throw
};

}  // namespace tendril
