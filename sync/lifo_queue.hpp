// lifo_queue.hpp - a queue that gives out the newest item first.
//
//     lifo_queue<page> recent;
//     recent.put(a);
//     recent.put(b);
//     recent.get();                        // b
//
// In all else it is queue.hpp: room, waiting, times, close(). Those who wait are served
// in the order they came, at both ends. eventlet's LifoQueue.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <tendril/sync/detail/heap.hpp>
#include <tendril/sync/queue.hpp>

namespace tendril {

template <class T>
using lifo_queue = basic_queue<T, detail::stack_buffer<T>>;

}  // namespace tendril
