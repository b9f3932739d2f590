// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/detail/extras.hpp>
#include <tendril/runtime/detail/overflow.hpp>
#include <tendril/runtime/detail/scheduler.hpp>
#include <tendril/runtime/stack.hpp>

#include <algorithm>
#include <charconv>
#include <csignal>
#include <cstring>
#include <string_view>

#include <execinfo.h>
#include <sys/mman.h>
#include <unistd.h>

namespace tendril::detail {
namespace {

// One line to stderr by calls that a signal handler may make.
class line {
  public:
    line& operator<<(std::string_view text) noexcept {
        const std::size_t part = std::min(text.size(), sizeof text_ - length_);
        std::memcpy(text_ + length_, text.data(), part);
        length_ += part;
        return *this;
    }

    line& operator<<(std::uint64_t number) noexcept {
        char digits[20];
        const auto end = std::to_chars(digits, digits + sizeof digits, number).ptr;
        return *this << std::string_view(digits,
                                         static_cast<std::size_t>(end - digits));
    }

    ~line() {
        // Nothing can be done if it fails.
        [[maybe_unused]] const ssize_t n = write(STDERR_FILENO, text_, length_);
    }

  private:
    char text_[1024];
    std::size_t length_ = 0;
};

[[gnu::noinline]] void tell(const fiber_core& core) noexcept {
    {
        line out;
        out << "\ntendril: "
            << (core.kind == fiber_kind::greenlet ? "greenlet "
                : core.kind == fiber_kind::loop   ? "the hub, "
                                                  : "fiber ")
            << core.id;
        if (core.extras != nullptr && !core.extras->name.empty()) {
            out << " '" << core.extras->name << "'";
        }
        if (core.site.line != 0) {
            out << " (made at " << core.site.file << ":" << core.site.line << ")";
        }
        out << " has run over its stack of " << core.memory.size
            << " bytes; it was at:\n";
    }
    void* frames[48];
    const int count = backtrace(frames, 48);
    // This function, the handler and the system's part of it come first.
    constexpr int own = 3;
    if (count > own) backtrace_symbols_fd(frames + own, count - own, STDERR_FILENO);
}

struct sigaction before_segv, before_bus;

void on_fault(int signal, siginfo_t* info, void* /*context*/) {
    const scheduler* const s = this_scheduler;
    if (s != nullptr && info->si_code > 0) {
        const fiber_core& core = *s->current;
        const auto* const at = static_cast<const std::byte*>(info->si_addr);
        const std::byte* const bottom = core.memory.bottom;
        if (at < bottom && at >= bottom - stack_guard_size) tell(core);
    }
    sigaction(signal, signal == SIGBUS ? &before_bus : &before_segv, nullptr);
    // A fault is repeated by returning to it. What somebody has sent is not.
    if (info->si_code <= 0) raise(signal);
}

void handle(int signal, struct sigaction& before) noexcept {
    sigaction(signal, nullptr, &before);
    if (before.sa_handler != SIG_DFL) return;

    struct sigaction ours {};

    ours.sa_sigaction = on_fault;
    ours.sa_flags = SA_SIGINFO | SA_ONSTACK;
    sigaction(signal, &ours, nullptr);
}

}  // namespace

signal_stack::signal_stack() noexcept {
    stack_t now{};
    if (sigaltstack(nullptr, &now) != 0 || (now.ss_flags & SS_DISABLE) == 0) return;
    void* const at =
        mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED) return;
    const stack_t ours{.ss_sp = at, .ss_flags = 0, .ss_size = size};
    sigaltstack(&ours, nullptr);
    at_ = at;
}

signal_stack::~signal_stack() {
    if (at_ == nullptr) return;
    stack_t now{};
    sigaltstack(nullptr, &now);
    if (now.ss_sp == at_) {
        const stack_t none{.ss_sp = nullptr, .ss_flags = SS_DISABLE, .ss_size = 0};
        sigaltstack(&none, nullptr);
    }
    munmap(at_, size);
}

void name_overflows() noexcept {
    [[maybe_unused]] static const bool once = [] {
        // Its first call loads a library, which a handler must not.
        void* frame = nullptr;
        backtrace(&frame, 1);
        handle(SIGSEGV, before_segv);
        handle(SIGBUS, before_bus);
        return true;
    }();
}

}  // namespace tendril::detail
