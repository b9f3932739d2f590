// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/detail/extras.hpp>
#include <tendril/runtime/detail/scheduler.hpp>
#include <tendril/runtime/detail/thread_probe.hpp>
#include <tendril/runtime/error.hpp>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <string>
#include <system_error>

#include <execinfo.h>
#include <semaphore.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

namespace tendril::detail {
namespace {

// Who is asked, and how far that is: one word, since a thread may come to its signal
// when somebody else is asked already. The number of a thread has 32 bits at most.
enum stage : std::int64_t { idle, asked, answering, answered };

constexpr std::int64_t word(stage s, pid_t thread) {
    return (std::int64_t{thread} << 8) | s;
}

// The question under way. Static, since a thread may take its signal long after the
// asker has given up; it then finds another question, or none.
struct {
    std::atomic<std::int64_t> at{idle};
    sem_t answered;
    // -- the answer, in what a handler may write to
    std::uint64_t fiber;
    fiber_kind kind;
    call_site site;
    char name[64];
    int frame_count;
    void* frames[64];
} question;

void answer(int /*signal*/) {
    const int error = errno;
    const auto self = static_cast<pid_t>(syscall(SYS_gettid));
    std::int64_t for_me = word(asked, self);
    if (question.at.compare_exchange_strong(for_me, word(answering, self))) {
        question.fiber = 0;
        question.frame_count = 0;
        if (const scheduler* const s = this_scheduler) {
            const fiber_core& core = *s->current;
            question.fiber = core.id;
            question.kind = core.kind;
            question.site = core.site;
            question.name[0] = '\0';
            // One that has ended may be about to lose it.
            if (core.extras != nullptr && !core.done) {
                const std::string& name = core.extras->name;
                const std::size_t size =
                    std::min(name.size(), sizeof question.name - 1);
                std::memcpy(question.name, name.data(), size);
                question.name[size] = '\0';
            }
            question.frame_count = backtrace(question.frames, 64);
        }
        question.at.store(word(answered, self));
        sem_post(&question.answered);
    }
    errno = error;
}

// False when the time is over; by a clock that nobody sets.
bool wait_for_answer(duration patience) {
    timespec until{};
    clock_gettime(CLOCK_MONOTONIC, &until);
    const std::int64_t nanoseconds = until.tv_nsec + patience.count();
    until.tv_sec += nanoseconds / 1'000'000'000;
    until.tv_nsec = nanoseconds % 1'000'000'000;
    int result = 0;
    do {
        result = sem_clockwait(&question.answered, CLOCK_MONOTONIC, &until);
    } while (result != 0 && errno == EINTR);
    return result == 0;
}

thread_answer answer_given() {
    thread_answer given;
    given.fiber = question.fiber;
    given.name = describe(question.kind, question.fiber, question.name, question.site);
    // The handler, and what the system puts below it, come first.
    constexpr int own = 2;
    given.frames.assign(question.frames + std::min(own, question.frame_count),
                        question.frames + question.frame_count);
    return given;
}

}  // namespace

thread_probe::thread_probe(int signal) : signal_(signal) {
    const auto require = [](int result, const char* call) {
        if (result != 0) throw std::system_error(errno, std::system_category(), call);
    };
    require(sigaction(signal, nullptr, &before_), "sigaction");
    // A parent's, in the child of a fork.
    if (before_.sa_handler == answer) before_.sa_handler = SIG_DFL;
    if (before_.sa_handler != SIG_DFL && before_.sa_handler != SIG_IGN) {
        fail(errc::bad_argument, "signal " + std::to_string(signal) +
                                     " is handled by somebody else; give the watchdog "
                                     "another one");
    }
    // Its first call loads a library, which a handler must not.
    void* frame = nullptr;
    backtrace(&frame, 1);
    require(sem_init(&question.answered, 0, 0), "sem_init");

    struct sigaction ours {};

    ours.sa_handler = answer;
    ours.sa_flags = SA_RESTART | SA_ONSTACK;
    require(sigaction(signal, &ours, nullptr), "sigaction");
}

thread_probe::~thread_probe() {
    struct sigaction present {};

    sigaction(signal_, nullptr, &present);
    // Somebody has taken it over.
    if (present.sa_handler != answer) return;

    // One that has not been taken yet is thrown away by that.
    struct sigaction none {};

    none.sa_handler = SIG_IGN;
    sigaction(signal_, &none, nullptr);
    sigaction(signal_, &before_, nullptr);
}

std::optional<thread_answer> thread_probe::ask(pthread_t thread,
                                               pid_t id,
                                               duration patience) {
    question.at.store(word(asked, id));
    if (pthread_kill(thread, signal_) != 0 || !wait_for_answer(patience)) {
        std::int64_t not_yet = word(asked, id);
        if (question.at.compare_exchange_strong(not_yet, idle)) return {};
        // It has begun to.
        while (sem_wait(&question.answered) != 0) continue;
    }
    // Seen here, so that all that was written before is.
    while (question.at.load() != word(answered, id)) continue;
    question.at.store(idle);
    return answer_given();
}

}  // namespace tendril::detail
