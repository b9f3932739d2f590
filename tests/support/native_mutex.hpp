// native_mutex.hpp - a mutex of the C library, and what was told of it.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>
#include <pthread.h>

// A lock_check tells once for each place that makes a fiber: here, of each case its
// own.
#define TENDRIL_TEST_CULPRIT(...) spawn({.name = "culprit"}, __VA_ARGS__).wait()

namespace tendril::test {

struct native_mutex {
    explicit native_mutex(int kind = PTHREAD_MUTEX_NORMAL) {
        pthread_mutexattr_t attributes;
        pthread_mutexattr_init(&attributes);
        pthread_mutexattr_settype(&attributes, kind);
        pthread_mutex_init(&native, &attributes);
        pthread_mutexattr_destroy(&attributes);
    }

    int lock() { return pthread_mutex_lock(&native); }

    int try_lock() { return pthread_mutex_trylock(&native); }

    int unlock() { return pthread_mutex_unlock(&native); }

    pthread_mutex_t native;
};

// Takes out what was told, if it is one thing.
inline std::string only(std::vector<std::string>& reported) {
    REQUIRE(reported.size() == 1);
    return std::exchange(reported, {}).front();
}

}  // namespace tendril::test
