// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/detail/backtrace.hpp>
#include <tendril/runtime/detail/context.hpp>
#include <tendril/runtime/detail/switch.hpp>

#include <cstdlib>
#include <cstring>
#include <sstream>
#include <utility>

#include <cxxabi.h>
#include <dlfcn.h>
#include <execinfo.h>

namespace tendril::detail {
namespace {

using boost::context::detail::ontop_fcontext;
using boost::context::detail::transfer_t;

// What jump_fcontext leaves where a fiber's stack pointer is saved: registers, and then
// the address to go on at. A visitor overwrites the registers.
constexpr std::size_t saved_registers = 0x40;

struct visit_request {
    fiber_core* visited;
    fiber_core* visitor;
    void** addresses;
    int most;
    int count = 0;
};

// Runs on the visited stack, in the place of what is suspended there.
TENDRIL_SWITCHES_STACKS transfer_t take_addresses(transfer_t from) {
    auto& request = *static_cast<visit_request*>(from.data);
    sanitizer_arrive(request.visited->sanitizer, &request.visitor->sanitizer);
    request.count = backtrace(request.addresses, request.most);
    sanitizer_leave(request.visited->sanitizer, request.visitor->sanitizer, false);
    jump_for_good(from.fctx);
}

[[gnu::noinline]] TENDRIL_SWITCHES_STACKS int addresses_on(fiber_core& visited,
                                                           fiber_core& visitor,
                                                           void** addresses,
                                                           int most) {
    visit_request request{&visited, &visitor, addresses, most};
    std::byte kept[saved_registers];
    std::memcpy(kept, visited.sp, sizeof kept);
    sanitizer_leave(visitor.sanitizer, visited.sanitizer, false);
    ontop_fcontext(visited.sp, &request, take_addresses);
    sanitizer_arrive(visitor.sanitizer, &visited.sanitizer);
    std::memcpy(visited.sp, kept, sizeof kept);
    return request.count;
}

// For the unwinder, which uses some 4 KiB. The thread's own stack has it.
bool has_room(const fiber_core& core) noexcept {
    constexpr std::ptrdiff_t enough = 8192;
    return core.memory.bottom == nullptr ||
           static_cast<std::byte*>(core.sp) - core.memory.bottom >= enough;
}

}  // namespace

std::vector<void*> backtrace_of(fiber_core& core, int most) {
    std::vector<void*> addresses(static_cast<std::size_t>(most));
    fiber_core& self = *this_scheduler->current;
    const bool over = core.state == fiber_state::done;
    int count = 0;
    int own = 1;  // this function, or the visitor
    if (&core == &self) {
        count = backtrace(addresses.data(), most);
    } else if (core.started && !over && has_room(core)) {
        count = addresses_on(core, self, addresses.data(), most);
    }
    own = std::min(own, count);
    addresses.resize(static_cast<std::size_t>(count));
    addresses.erase(addresses.begin(), addresses.begin() + own);
    return addresses;
}

std::string describe_frame(void* address, frame_kind kind) {
    std::ostringstream text;
    Dl_info info{};
    // A return address is that of the next instruction, maybe of the next function.
    void* const inside =
        kind == frame_kind::call ? static_cast<char*>(address) - 1 : address;
    if (dladdr(inside, &info) != 0 && info.dli_sname != nullptr) {
        int status = 0;
        char* const name =
            abi::__cxa_demangle(info.dli_sname, nullptr, nullptr, &status);
        text << (status == 0 ? name : info.dli_sname) << " +0x" << std::hex
             << static_cast<char*>(address) - static_cast<char*>(info.dli_saddr);
        std::free(name);
    } else {
        text << "?";
    }
    if (info.dli_fname != nullptr) {
        text << " in " << info.dli_fname << " (+0x" << std::hex
             << static_cast<char*>(address) - static_cast<char*>(info.dli_fbase) << ")";
    }
    return text.str();
}

}  // namespace tendril::detail
