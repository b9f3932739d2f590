// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/detail/native_locks.hpp>
#include <tendril/runtime/detail/scheduler.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <span>

#include <dlfcn.h>
#include <pthread.h>
#include <time.h>

namespace tendril::detail {
namespace {

// -- the C library's own

enum call : unsigned {
    mutex_lock,
    mutex_trylock,
    mutex_timedlock,
    mutex_clocklock,
    mutex_unlock,
    rwlock_rdlock,
    rwlock_tryrdlock,
    rwlock_timedrdlock,
    rwlock_clockrdlock,
    rwlock_wrlock,
    rwlock_trywrlock,
    rwlock_timedwrlock,
    rwlock_clockwrlock,
    rwlock_unlock,
    spin_lock_call,
    spin_trylock,
    spin_unlock,
    calls
};

constexpr std::array<const char*, calls> names{
    "pthread_mutex_lock",         "pthread_mutex_trylock",
    "pthread_mutex_timedlock",    "pthread_mutex_clocklock",
    "pthread_mutex_unlock",       "pthread_rwlock_rdlock",
    "pthread_rwlock_tryrdlock",   "pthread_rwlock_timedrdlock",
    "pthread_rwlock_clockrdlock", "pthread_rwlock_wrlock",
    "pthread_rwlock_trywrlock",   "pthread_rwlock_timedwrlock",
    "pthread_rwlock_clockwrlock", "pthread_rwlock_unlock",
    "pthread_spin_lock",          "pthread_spin_trylock",
    "pthread_spin_unlock"};

constinit std::array<std::atomic<void*>, calls> definitions{};
constinit bool finding = false;

void find_definitions() {
    finding = true;
    for (unsigned c = 0; c < calls; ++c) definitions[c] = dlsym(RTLD_NEXT, names[c]);
    finding = false;
}

// Before any constructor, so that there is only one thread.
[[gnu::section(".preinit_array"),
  gnu::used]] void (*const find_first)() = find_definitions;

template <class... Args>
int forward(call c, Args... args) noexcept {
    void* f = definitions[c].load(std::memory_order_relaxed);
    if (f == nullptr) {
        // Locks that dlsym itself takes guard nothing from the one thread there is.
        if (finding) return 0;
        find_definitions();
        f = definitions[c].load(std::memory_order_relaxed);
        if (f == nullptr) return ENOSYS;
    }
    return reinterpret_cast<int (*)(Args...)>(f)(args...);
}

// -- what the fibers of this thread hold

struct {
    std::array<held_lock, 32> all;
    std::size_t used = 0;  // the first so many, at most
} thread_local constinit held [[gnu::tls_model("initial-exec")]]{};

fiber_core* current_fiber() noexcept {
    const scheduler* const s = this_scheduler;
    return s == nullptr || s->on_loop() ? nullptr : s->current;
}

void note(const volatile void* lock, const char* kind, void* place) noexcept {
    fiber_core* const self = current_fiber();
    if (self == nullptr || lock_checks.load(std::memory_order_relaxed) == 0) return;
    for (std::size_t i = 0; i < held.all.size(); ++i) {
        held_lock& h = held.all[i];
        const volatile void* none = nullptr;
        if (!h.lock.compare_exchange_strong(none, lock, std::memory_order_relaxed)) {
            continue;
        }
        if (held.used <= i) held.used = i + 1;
        h.fiber = self->id;
        h.kind = kind;
        h.place = place;
        self->holds_native = true;
        self->alerted = true;
        return;
    }
}

// The newest one of the current fiber; or of another, who then finds out by himself.
void forget(const volatile void* lock) noexcept {
    fiber_core* const self = current_fiber();
    held_lock* found = nullptr;
    for (std::size_t i = held.used; i > 0; --i) {
        held_lock& h = held.all[i - 1];
        if (h.lock.load(std::memory_order_relaxed) != lock) continue;
        const bool own = self != nullptr && h.fiber == self->id;
        if (own || found == nullptr) found = &h;
        if (own) break;
    }
    if (found == nullptr) return;
    found->lock.store(nullptr, std::memory_order_relaxed);
    if (self != nullptr && self->holds_native) refresh_held(*self);
}

int taken(int result, const volatile void* lock, const char* kind, void* place) {
    if (result == 0 || result == EOWNERDEAD) note(lock, kind, place);
    return result;
}

int given_back(int result, const volatile void* lock) {
    if (result == 0) forget(lock);
    return result;
}

}  // namespace

std::span<held_lock> locks_here() noexcept {
    return {held.all.data(), held.used};
}

void refresh_held(fiber_core& core) noexcept {
    const auto locks = locks_here();
    core.holds_native = std::any_of(locks.begin(), locks.end(),
                                    [&](const held_lock& h) { return h.by(core); });
    refresh_alert(core);
}

}  // namespace tendril::detail

// In place of the C library's.
extern "C" {

using namespace tendril::detail;

int pthread_mutex_lock(pthread_mutex_t* m) noexcept {
    return taken(forward(mutex_lock, m), m, "mutex", __builtin_return_address(0));
}

int pthread_mutex_trylock(pthread_mutex_t* m) noexcept {
    return taken(forward(mutex_trylock, m), m, "mutex", __builtin_return_address(0));
}

int pthread_mutex_timedlock(pthread_mutex_t* m, const timespec* until) noexcept {
    return taken(forward(mutex_timedlock, m, until), m, "mutex",
                 __builtin_return_address(0));
}

int pthread_mutex_clocklock(pthread_mutex_t* m,
                            clockid_t clock,
                            const timespec* until) noexcept {
    return taken(forward(mutex_clocklock, m, clock, until), m, "mutex",
                 __builtin_return_address(0));
}

int pthread_mutex_unlock(pthread_mutex_t* m) noexcept {
    return given_back(forward(mutex_unlock, m), m);
}

int pthread_rwlock_rdlock(pthread_rwlock_t* l) noexcept {
    return taken(forward(rwlock_rdlock, l), l, "read lock",
                 __builtin_return_address(0));
}

int pthread_rwlock_tryrdlock(pthread_rwlock_t* l) noexcept {
    return taken(forward(rwlock_tryrdlock, l), l, "read lock",
                 __builtin_return_address(0));
}

int pthread_rwlock_timedrdlock(pthread_rwlock_t* l, const timespec* until) noexcept {
    return taken(forward(rwlock_timedrdlock, l, until), l, "read lock",
                 __builtin_return_address(0));
}

int pthread_rwlock_clockrdlock(pthread_rwlock_t* l,
                               clockid_t clock,
                               const timespec* until) noexcept {
    return taken(forward(rwlock_clockrdlock, l, clock, until), l, "read lock",
                 __builtin_return_address(0));
}

int pthread_rwlock_wrlock(pthread_rwlock_t* l) noexcept {
    return taken(forward(rwlock_wrlock, l), l, "write lock",
                 __builtin_return_address(0));
}

int pthread_rwlock_trywrlock(pthread_rwlock_t* l) noexcept {
    return taken(forward(rwlock_trywrlock, l), l, "write lock",
                 __builtin_return_address(0));
}

int pthread_rwlock_timedwrlock(pthread_rwlock_t* l, const timespec* until) noexcept {
    return taken(forward(rwlock_timedwrlock, l, until), l, "write lock",
                 __builtin_return_address(0));
}

int pthread_rwlock_clockwrlock(pthread_rwlock_t* l,
                               clockid_t clock,
                               const timespec* until) noexcept {
    return taken(forward(rwlock_clockwrlock, l, clock, until), l, "write lock",
                 __builtin_return_address(0));
}

int pthread_rwlock_unlock(pthread_rwlock_t* l) noexcept {
    return given_back(forward(rwlock_unlock, l), l);
}

int pthread_spin_lock(pthread_spinlock_t* l) noexcept {
    return taken(forward(spin_lock_call, l), l, "spin lock",
                 __builtin_return_address(0));
}

int pthread_spin_trylock(pthread_spinlock_t* l) noexcept {
    return taken(forward(spin_trylock, l), l, "spin lock", __builtin_return_address(0));
}

int pthread_spin_unlock(pthread_spinlock_t* l) noexcept {
    return given_back(forward(spin_unlock, l), l);
}

}  // extern "C"
