// lock_check.hpp - names the fiber that waits while it holds a std::mutex.
//
//     const tendril::lock_check on;     // link with tendril::lock_check
//
//     tendril: lock_check: fiber 7 'reader' (made at server.cpp:31) goes to wait for
//     sleep and keeps the mutex 0x7ffc0a10, locked at parse() +0x1b in ./server
//     (+0x4711)
//
// Another fiber of the same thread that wants the mutex would block the thread, and
// with it the one that has to give it back: for ever. While a lock_check lives, the
// locks of the C library (mutexes, read-write and spin locks, and so std::mutex and its
// kind) are noted for the fiber that takes them, and a fiber that goes to wait with one
// is told of to the exception hook (errc::lock_held), once for each place that locks
// and place where such a fiber was made. Without inlining the place that locks is in
// std::mutex.
//
// The executable then has its own pthread_mutex_lock and the others, for all libraries
// that it loads, which forward to the C library's. Some 10 ns for a lock and its
// unlock, or 20 in a fiber while a lock_check lives.
//
// Not seen: what a thread locks before its first use of tendril, or before the
// lock_check; more than 32 locks held by the fibers of a thread; mtx_lock and
// flockfile; a raw switch to a greenlet, which does not wait for the hub; a put() into
// a queue of no capacity whose getter is there.
//
// Thread rule: any; there may be several.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

namespace tendril {

class lock_check {
  public:
    lock_check() noexcept;
    lock_check(const lock_check&) = delete;
    lock_check& operator=(const lock_check&) = delete;
    ~lock_check();
};

}  // namespace tendril
