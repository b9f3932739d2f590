// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/detail/sanitizer.hpp>
#include <tendril/runtime/detail/stack_range.hpp>

#include <mutex>
#include <new>
#include <set>
#include <utility>

#include <sys/mman.h>
#include <sys/resource.h>

namespace tendril::detail {
namespace {

#if defined(TENDRIL_TSAN)
// All that its shadow memory leaves to programs is 1.5 TiB.
constexpr std::size_t range_size = std::size_t{1} << 38;
#else
constexpr std::size_t range_size = std::size_t{1} << 44;
#endif

std::byte* map(void* at, std::size_t size, int access, int flags) noexcept {
    void* const got =
        mmap(at, size, access,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK | flags, -1, 0);
    return got == MAP_FAILED ? nullptr : static_cast<std::byte*>(got);
}

// A huge page under a stack would make all of it resident at the first touch.
std::byte* without_huge_pages(std::byte* at, std::size_t size) noexcept {
    if (at != nullptr) madvise(at, size, MADV_NOHUGEPAGE);
    return at;
}

// Not to be in core files that gdb writes: it would write all of it, 16 TiB of zeros.
std::byte* unopened(std::size_t size) noexcept {
    std::byte* const at = without_huge_pages(map(nullptr, size, PROT_NONE, 0), size);
    if (at != nullptr) madvise(at, size, MADV_DONTDUMP);
    return at;
}

class stack_range {
  public:
    std::byte* take(std::size_t size) noexcept {
        const std::lock_guard held(mutex_);
        taken_ += size;
        if (std::byte* const at = take_somewhere(size)) return at;
        taken_ -= size;
        return nullptr;
    }

    stack_memory now() noexcept {
        const std::lock_guard held(mutex_);
        return {begin_, end_, taken_};
    }

    void give_back(std::byte* at, std::size_t size) noexcept {
        const std::lock_guard held(mutex_);
        taken_ -= size;
        const bool ours = at >= begin_ && at < end_;
        // In the place of what was there, which takes the guards away, too.
        if (!ours || map(at, size, PROT_NONE, MAP_FIXED) == nullptr) {
            munmap(at, size);
            return;
        }
        madvise(at, size, MADV_DONTDUMP);
        try {
            returned_.emplace(size, at);
        } catch (const std::bad_alloc&) {
            // These addresses are not used again; there are plenty.
        }
    }

  private:
    std::byte* take_somewhere(std::size_t size) noexcept {
        if (std::byte* const again = take_returned(size)) return again;
        if (!std::exchange(tried_, true)) reserve();
        if (static_cast<std::size_t>(end_ - fresh_) < size) {
            // Under a limit on addresses, or for a stack of terabytes: elsewhere.
            return without_huge_pages(map(nullptr, size, PROT_READ | PROT_WRITE, 0),
                                      size);
        }
        std::byte* const at = open(fresh_, size);
        if (at != nullptr) fresh_ += size;
        return at;
    }

    void reserve() noexcept {
        // Where addresses are limited, the rest of the program needs them, too.
        rlimit addresses{};
        getrlimit(RLIMIT_AS, &addresses);
        if (addresses.rlim_cur != RLIM_INFINITY) return;
        begin_ = unopened(range_size);
        if (begin_ == nullptr) return;
        fresh_ = begin_;
        end_ = begin_ + range_size;
    }

    // What has been opened so far is one mapping, of which this makes more.
    static std::byte* open(std::byte* at, std::size_t size) noexcept {
        if (mprotect(at, size, PROT_READ | PROT_WRITE) != 0) return nullptr;
        madvise(at, size, MADV_DODUMP);
        return at;
    }

    std::byte* take_returned(std::size_t size) noexcept {
        // The lowest of that size: holes then come together at the other end.
        const auto found = returned_.lower_bound({size, nullptr});
        if (found == returned_.end() || found->first != size) return nullptr;
        std::byte* const at = found->second;
        returned_.erase(found);
        return open(without_huge_pages(at, size), size);
    }

    std::mutex mutex_;
    bool tried_ = false;
    std::byte* begin_ = nullptr;  // null if there is no range
    std::byte* end_ = nullptr;
    std::byte* fresh_ = nullptr;  // never taken, from here on
    std::size_t taken_ = 0;
    std::set<std::pair<std::size_t, std::byte*>> returned_;
};

// Never destroyed: hubs of other threads may end after everything static.
stack_range& range() {
    static auto* const instance = new stack_range;
    return *instance;
}

}  // namespace

std::byte* take_stack_memory(std::size_t size) noexcept {
    return range().take(size);
}

void give_back_stack_memory(std::byte* at, std::size_t size) noexcept {
    range().give_back(at, size);
}

stack_memory stack_memory_now() noexcept {
    return range().now();
}

}  // namespace tendril::detail
