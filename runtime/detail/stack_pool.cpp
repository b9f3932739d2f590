// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/detail/sanitizer.hpp>
#include <tendril/runtime/detail/stack_pool.hpp>
#include <tendril/runtime/detail/stack_range.hpp>
#include <tendril/runtime/error.hpp>
#include <tendril/runtime/stack.hpp>

#include <algorithm>
#include <cstdlib>
#include <new>
#include <string>
#include <string_view>
#include <utility>

#include <sys/mman.h>
#include <unistd.h>

namespace tendril::detail {

using namespace std::string_view_literals;

namespace {

constexpr std::size_t page = 4096;
constexpr std::size_t largest_stack = std::size_t{1} << 40;

// Guards made by MADV_GUARD_INSTALL (Linux 6.13, 102, not in Debian 12's headers) live
// in the page tables and split no mapping, so their number is not limited by
// vm.max_map_count. Kernels without it get mprotect, which costs two mappings a stack;
// so does TENDRIL_STACK_GUARDS=mprotect in the environment, for tests of that.
constexpr int madv_guard_install = 102;

bool only_mprotect() noexcept {
    // NOLINTNEXTLINE(concurrency-mt-unsafe): once, before the first stack
    const char* const wish = std::getenv("TENDRIL_STACK_GUARDS");
    return running_on_valgrind() || (wish != nullptr && wish == "mprotect"sv);
}

void install_guard(std::byte* at) {
    static const bool by_mprotect = only_mprotect();
    if (!by_mprotect && madvise(at, stack_guard_size, madv_guard_install) == 0) return;
    if (mprotect(at, stack_guard_size, PROT_NONE) != 0) throw std::bad_alloc();
}

void drop_memory(std::byte* at, std::size_t size) noexcept {
    madvise(at, size, MADV_DONTNEED);
}

// An odd number of pages a slot (the guard has 17, so the rest must be even) spreads
// the tops of the stacks over all sets of the second-level TLB, and over stack::top()'s
// steps.
constexpr std::size_t round_up(std::size_t size) {
    return (size + 2 * page - 1) / (2 * page) * (2 * page);
}

constexpr std::size_t slot_size(std::size_t usable) {
    return usable + stack_guard_size;
}

}  // namespace

stack_pool::stack_pool()
    : usual_(round_up(default_stack_size)), default_size_(default_stack_size) {}

stack_pool::~stack_pool() {
    for (const unsigned id : valgrind_ids_) valgrind_deregister(id);
    for (const chunk& c : chunks_) give_back_stack_memory(c.at, c.size);
}

stack stack_pool::take_new_or_clean(size_class& c) {
    if (c.free_count == 0) {
        const stack s = carve(c);
        ++in_use_;
        return s;
    }
    const stack s = take_free(c);
    drop_memory(s.bottom, s.size);
    return s;
}

template <class F>
void stack_pool::for_each_class(F f) {
    f(usual_);
    for (size_class& c : others_) f(c);
}

bool stack_pool::may_trim() const noexcept {
    const auto has_warm = [](const size_class& c) { return c.cold < c.free_count; };
    return has_warm(usual_) || std::any_of(others_.begin(), others_.end(), has_warm);
}

bool stack_pool::trim_some(time_point now) noexcept {
    if (now >= next_trim()) {
        interval_begin_ = now;
        for_each_class([](size_class& c) {
            c.to_trim = c.least;
            c.least = c.free_count;
        });
    }
    // Some 50 us' worth; then somebody else may have something to do.
    std::size_t allowed = 64;
    bool more = false;
    for_each_class([&](size_class& c) {
        for (; allowed > 0 && c.cold < c.to_trim; --allowed, ++c.cold) {
            drop_memory(c.free[c.cold], c.size);
        }
        more = more || c.cold < c.to_trim;
    });
    return more;
}

void stack_pool::set_default_size(std::size_t size) {
    size_class& c = class_of(size);
    // The two change places, so that the usual one stays at hand.
    if (&c != &usual_) std::swap(c, usual_);
    default_size_ = size;
}

void stack_pool::require_size(std::size_t size) {
    if (size >= minimum_stack_size && size <= largest_stack) return;
    fail(errc::bad_argument,
         "a stack of " + std::to_string(size) + " bytes was asked for; it must be " +
             std::to_string(minimum_stack_size) + " or more, and at most 1 TiB");
}

stack_pool::size_class& stack_pool::class_of(std::size_t size) {
    require_size(size);
    const std::size_t rounded = round_up(size);
    if (rounded == usual_.size) return usual_;
    for (size_class& c : others_) {
        if (c.size == rounded) return c;
    }
    return others_.emplace_back(rounded);
}

stack_pool::size_class& stack_pool::class_given(std::size_t rounded) noexcept {
    return *std::find_if(others_.begin(), others_.end(),
                         [=](const size_class& c) { return c.size == rounded; });
}

stack stack_pool::carve(size_class& c) {
    if (c.fresh == c.fresh_end) take_chunk(c);
    // For its way back, which must not fail.
    if (c.carved == c.room) make_room(c);
    install_guard(c.fresh);
    const stack s{c.fresh + stack_guard_size, c.size};
    if (running_on_valgrind()) {
        valgrind_ids_.push_back(valgrind_register(s.bottom, s.size));
    }
    c.fresh += slot_size(c.size);
    ++c.carved;
    return s;
}

void stack_pool::make_room(size_class& c) {
    const std::size_t room = 2 * c.carved + 16;
    auto free = std::make_unique<std::byte*[]>(room);
    std::copy_n(c.free.get(), c.free_count, free.get());
    c.free = std::move(free);
    c.room = room;
}

void stack_pool::take_chunk(size_class& c) {
    chunks_.reserve(chunks_.size() + 1);
    for (std::size_t slots = c.next_chunk; slots > 0; slots /= 2) {
        const std::size_t size = slots * slot_size(c.size);
        std::byte* const at = take_stack_memory(size);
        if (at == nullptr) continue;
        chunks_.push_back({at, size});
        c.fresh = at;
        c.fresh_end = at + size;
        c.next_chunk = std::min<std::size_t>(slots * 2, 1024);
        return;
    }
    throw std::bad_alloc();
}

std::size_t resident_part(const stack& s) noexcept {
    // A page at a time from below, 1,024 pages at each look.
    unsigned char resident[1024];
    for (std::size_t from = 0; from < s.size;) {
        const std::size_t part = std::min(s.size - from, page * sizeof resident);
        if (mincore(s.bottom + from, part, resident) != 0) return s.size;
        auto* const end = resident + part / page;
        auto* const first =
            std::find_if(resident, end, [](unsigned char r) { return (r & 1) != 0; });
        if (first != end) {
            return s.size - from - static_cast<std::size_t>(first - resident) * page;
        }
        from += part;
    }
    return 0;
}

}  // namespace tendril::detail
