// readiness.hpp - the descriptors that a hub watches for its user: add_reader() and its
// like, and the fibers in wait_readable() and wait_writable().
//
// An epoll of its own, level-triggered. The hub's driver waits for that epoll as for
// one descriptor more, so that this needs no net, and net's sockets have nothing to do
// with it.
//
// Thread rule: the hub's own thread.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <tendril/runtime/clock.hpp>
#include <tendril/runtime/driver.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace tendril::detail {

struct scheduler;
struct standing_callback;

class readiness {
  public:
    // THROWS  std::system_error when descriptors have run out.
    explicit readiness(scheduler& home);
    readiness(const readiness&) = delete;
    readiness& operator=(const readiness&) = delete;
    ~readiness();

    // Readable while something is ready.
    int fd() const noexcept { return epoll_; }

    // Somebody waits: a callback or a fiber.
    bool waiting() const noexcept { return in_use_ > 0; }

    // THROWS  std::system_error if the descriptor cannot be watched, fiber_error
    //         (second_waiter) if a fiber waits there; std::bad_alloc.
    void set(int fd, direction d, std::shared_ptr<standing_callback> call);

    // False if there was none.
    bool remove(int fd, direction d) noexcept;

    // Parks until it is ready. False if `deadline` came first.
    // THROWS  as set(); second_waiter if there is a callback, too; fiber_error
    //         (in_hub); what is thrown into the fiber.
    bool wait(int fd, direction d, time_point deadline);

    // Wakes and calls, on the hub's own stack, whoever has something to do now. True if
    // there was any.
    bool serve() noexcept;

    // All callbacks; fibers stay.
    void remove_callbacks() noexcept;

  private:
    struct waiting_fiber;

    struct side {
        std::shared_ptr<standing_callback> call;
        waiting_fiber* fiber = nullptr;

        bool in_use() const noexcept { return call != nullptr || fiber != nullptr; }
    };

    struct entry {
        side sides[2];
        std::uint32_t generation = 0;  // times that it was added to the epoll
        bool registered = false;       // with it, as far as we know
    };

    // Checks that nobody else waits there, makes room. THROWS  as set().
    side& place(int fd, direction d, bool for_fiber);
    [[noreturn]] void fail_second(int fd, direction d, const side& first) const;

    // Tells the epoll what is wanted of `fd` now. What went wrong, 0 if nothing.
    int update(int fd) noexcept;
    void leave(int fd, direction d) noexcept;
    static std::uint64_t mark(int fd, const entry& e) noexcept;
    void tell(std::uint64_t marked, direction d) noexcept;

    scheduler& home_;
    int epoll_;
    std::size_t in_use_ = 0;      // sides
    std::vector<entry> entries_;  // by number
};

}  // namespace tendril::detail
