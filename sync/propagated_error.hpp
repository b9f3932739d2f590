// propagated_error.hpp - why a key of a dag_pool has no value: its function, or that of
// a key that it needs, has thrown.
//
//     try {
//         pool.wait("index");
//     } catch (const propagated_error<std::string>& e) {
//         std::puts(e.what());    // "the value of index: that of page: that of
//     }                           //  socket: std::runtime_error: refused"
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <tendril/runtime/error.hpp>

#include <exception>
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace tendril {

namespace detail {

// A key as it can be printed.
template <class K>
std::string key_text(const K& key) {
    if constexpr (requires(std::ostream & out) { out << key; }) {
        std::ostringstream out;
        out << key;
        return out.str();
    } else {
        return "a key of type " + type_name(typeid(K));
    }
}

}  // namespace detail

template <class K>
class propagated_error : public std::runtime_error {
  public:
    propagated_error(std::vector<K> keys, std::exception_ptr cause)
        : std::runtime_error(sentence(keys, cause)),
          keys_(std::move(keys)),
          cause_(std::move(cause)) {}

    // From the key that was asked for to the one whose function has thrown.
    const std::vector<K>& keys() const noexcept { return keys_; }

    // What that has thrown.
    const std::exception_ptr& cause() const noexcept { return cause_; }

  private:
    static std::string sentence(const std::vector<K>& keys,
                                const std::exception_ptr& cause) {
        std::string text;
        for (const K& key : keys) {
            text += text.empty() ? "the value of " : "that of ";
            text += detail::key_text(key) + ": ";
        }
        return text + detail::describe(cause);
    }

    std::vector<K> keys_;
    std::exception_ptr cause_;
};

namespace detail {

// The error of `key`, whose function, or what that needs, has thrown `thrown`; or a
// std::bad_alloc.
template <class K>
std::exception_ptr propagated(const K& key, const std::exception_ptr& thrown) noexcept {
    try {
        std::vector<K> keys{key};
        try {
            std::rethrow_exception(thrown);
        } catch (const propagated_error<K>& of_need) {
            keys.insert(keys.end(), of_need.keys().begin(), of_need.keys().end());
            return pointer_to(propagated_error<K>(std::move(keys), of_need.cause()));
        } catch (...) {
            return pointer_to(propagated_error<K>(std::move(keys), thrown));
        }
    } catch (...) {
        return std::current_exception();
    }
}

}  // namespace detail
}  // namespace tendril
