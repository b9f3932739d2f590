// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/error.hpp>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <typeinfo>

#include <cxxabi.h>

namespace tendril {
namespace {

struct hook_slot {
    std::mutex mutex;
    exception_hook hook;
};

// Leaked on purpose: fibers of threads that outlive static destruction may still
// report.
hook_slot& slot() {
    static auto* const instance = new hook_slot;
    return *instance;
}

}  // namespace

exception_hook set_exception_hook(exception_hook hook) {
    hook_slot& s = slot();
    const std::lock_guard lock(s.mutex);
    std::swap(s.hook, hook);
    return hook;
}

namespace detail {

std::string type_name(const std::type_info& type) {
    int status = 0;
    const std::unique_ptr<char, void (*)(void*)> name(
        abi::__cxa_demangle(type.name(), nullptr, nullptr, &status), std::free);
    return status == 0 ? name.get() : type.name();
}

std::string describe(std::exception_ptr error) {
    if (!error) return "no exception";
    const std::type_info* type = error.__cxa_exception_type();
    std::string text = type ? type_name(*type) : "an exception";
    try {
        std::rethrow_exception(std::move(error));
    } catch (const std::exception& e) {
        text += ": ";
        text += e.what();
    } catch (...) {
        // Its type is all there is to say.
    }
    return text;
}

bool is_greenlet_exit(const std::exception_ptr& error) noexcept {
    const std::type_info* const type = error.__cxa_exception_type();
    return type != nullptr && *type == typeid(greenlet_exit);
}

bool ends_quietly(const std::exception_ptr& error) noexcept {
    const std::type_info* const type = error.__cxa_exception_type();
    return type != nullptr &&
           (*type == typeid(greenlet_exit) || *type == typeid(cancelled));
}

void report(std::exception_ptr error, std::string_view where) noexcept {
    try {
        exception_hook hook;
        {
            hook_slot& s = slot();
            const std::lock_guard lock(s.mutex);
            hook = s.hook;
        }
        if (hook) {
            hook(std::move(error), where);
            return;
        }
        const std::string text = describe(std::move(error));
        std::fprintf(stderr, "tendril: %.*s: %s\n", static_cast<int>(where.size()),
                     where.data(), text.c_str());
    } catch (...) {
        std::fputs("tendril: an exception could not be reported\n", stderr);
    }
}

void fail(errc code, const std::string& sentence) {
    throw fiber_error(code, sentence);
}

}  // namespace detail
}  // namespace tendril
