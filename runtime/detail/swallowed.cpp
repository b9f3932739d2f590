// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/detail/fiber_core.hpp>
#include <tendril/runtime/detail/swallowed.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <typeinfo>

#include <cxxabi.h>
#include <dlfcn.h>
#include <unwind.h>

namespace tendril::detail {

#if defined(__GLIBCXX__) && defined(__LP64__)
namespace {

// __cxa_exception, which stands right before the object thrown.
struct header {
    const std::type_info* type;
    void (*destroy)(void*);
    void (*unexpected)();
    void (*terminate)();
    header* next;
    int handlers;
    int entry;  // of the table of types of the function that caught it last
    const unsigned char* actions;
    const unsigned char* table;
    const void* landing_pad;
    void* adjusted;
    _Unwind_Exception unwind;
};

static_assert(sizeof(header) == 112, "not the C++ runtime that this was written for");

// Before that again.
constexpr std::ptrdiff_t references_before = 16;

constexpr unsigned char omitted = 0xff;

std::size_t size_of_entry(unsigned char encoding) noexcept {
    switch (encoding & 0x07) {
        case 0x02:
            return 2;
        case 0x03:
            return 4;
        default:
            return 8;
    }
}

bool is_being_handled(const header& h) noexcept {
    const auto& thread =
        *reinterpret_cast<const exception_globals*>(abi::__cxa_get_globals());
    const auto* at = static_cast<const header*>(thread.caught);
    while (at != nullptr && at != &h) at = at->next;
    return at != nullptr;
}

// The function that caught it may be of a library that has been unloaded since.
bool is_loaded(const header& h) noexcept {
    Dl_info code{}, table{};
    return dladdr(h.landing_pad, &code) != 0 && dladdr(h.table, &table) != 0 &&
           code.dli_fbase == table.dli_fbase;
}

// Where the table of types ends; its entries are counted from there. Null if it has
// none.
const unsigned char* end_of_types(const unsigned char* at, unsigned char& encoding) {
    const unsigned char begin_of_code = *at++;
    encoding = *at++;
    if (begin_of_code != omitted || encoding == omitted) return nullptr;
    std::uintptr_t distance = 0;  // ULEB128
    for (unsigned shift = 0;; shift += 7) {
        const unsigned char byte = *at++;
        distance |= std::uintptr_t{byte & 0x7fU} << shift;
        if ((byte & 0x80U) == 0) break;
    }
    return at + distance;
}

}  // namespace

fate fate_of(const std::exception_ptr& error) noexcept {
    static_assert(sizeof error == sizeof(void*));
    void* object = nullptr;
    std::memcpy(&object, static_cast<const void*>(&error), sizeof object);
    const auto& h = *(static_cast<const header*>(object) - 1);
    int references = 0;
    std::memcpy(&references, reinterpret_cast<const char*>(&h) - references_before,
                sizeof references);
    if (references != 1 || is_being_handled(h)) return fate::alive;
    if (h.table == nullptr || h.entry <= 0) return fate::unknown;
    if (!is_loaded(h)) return fate::unknown;
    unsigned char encoding = 0;
    const unsigned char* const end = end_of_types(h.table, encoding);
    if (end == nullptr) return fate::unknown;
    const std::size_t size = size_of_entry(encoding);
    const unsigned char* const entry = end - static_cast<std::size_t>(h.entry) * size;
    const bool empty =
        std::all_of(entry, entry + size, [](unsigned char byte) { return byte == 0; });
    return empty ? fate::caught_blind : fate::caught;
}
#else
fate fate_of(const std::exception_ptr& /*error*/) noexcept {
    return fate::unknown;
}
#endif

}  // namespace tendril::detail
