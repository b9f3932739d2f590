// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/error.hpp>
#include <tendril/sync/exception_group.hpp>

#include <algorithm>
#include <utility>

namespace tendril {
namespace {

std::string sentence_of(const std::vector<std::exception_ptr>& exceptions) {
    if (exceptions.empty()) {
        detail::fail(errc::bad_argument, "an exception_group without exceptions");
    }
    std::string text = std::to_string(exceptions.size()) +
                       (exceptions.size() == 1 ? " exception" : " exceptions");
    const char* separator = ": ";
    for (const std::exception_ptr& e : exceptions) {
        if (!e) detail::fail(errc::bad_argument, "an exception_group with a null one");
        text += std::exchange(separator, "; ") + detail::describe(e);
    }
    return text;
}

}  // namespace

exception_group::exception_group(std::vector<std::exception_ptr> exceptions) {
    std::string sentence = sentence_of(exceptions);
    shared_ = std::make_shared<const contents>(
        contents{std::move(exceptions), std::move(sentence)});
}

bool exception_group::any_of(
    const std::function<bool(const std::exception_ptr&)>& is) const {
    return std::any_of(exceptions().begin(), exceptions().end(), [&](const auto& e) {
        if (is(e)) return true;
        try {
            std::rethrow_exception(e);
        } catch (const exception_group& inner) {
            return inner.any_of(is);
        } catch (...) {
            return false;
        }
    });
}

}  // namespace tendril
