// zygote.hpp - a small process, forked while this one has a single thread, that forks
// workers later, when this one may have many.
//
// It takes one order at a time: to make a worker, whose socket it hands back, or to see
// one to its end. It ends when this process does, or its socket is closed, and its
// workers with it.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <tendril/net/detail/descriptor.hpp>
#include <tendril/net/detail/process_handle.hpp>
#include <tendril/sync/mutex.hpp>

#include <sys/types.h>

namespace tendril::detail {

// What a worker process does with its end of the socket. It must not return.
using worker_body = void (*)(int socket) noexcept;

class zygote {
  public:
    struct worker {
        pid_t process;
        int socket;  // this process's end of a stream
        process_handle handle;
    };

    // THROWS  fiber_error (has_threads); std::system_error.
    explicit zygote(worker_body body);
    zygote(const zygote&) = delete;
    zygote& operator=(const zygote&) = delete;

    // Ends it, and what workers it may have left. Nothing in the child of a fork.
    ~zygote();

    // Parks; not interrupted. THROWS  std::system_error when there can be no worker, or
    // no descriptors for it here.
    worker make();

    // Waits for the worker's end, which it is about to come to by itself (else it is
    // killed, after a second), or `now`, and returns its status as waitpid() has it;
    // -1 if nobody knows. Parks; not interrupted.
    int bury(pid_t process, bool now) noexcept;

    // Ends it at once, and its workers with it: calls of the others fail.
    void kill() noexcept;

  private:
    struct order;
    struct answer;
    struct handed;

    [[noreturn]] static void serve(int socket, pid_t parent, worker_body body) noexcept;
    static bool make_worker(int socket, worker_body body) noexcept;
    static bool answer_with(int socket, answer a, handed h) noexcept;
    answer ask(const order& o, handed& h);

    pid_t owner_;
    pid_t process_ = -1;
    mutex asking_;
    descriptor_owner socket_;
};

}  // namespace tendril::detail
