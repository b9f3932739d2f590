// priority_queue.hpp - a queue that gives out first what comes first by an order.
//
//     priority_queue<int> q;
//     for (int i : {3, 1, 2}) q.put(i);
//     q.get();                             // 1
//
// Before(a, b): a comes out before b. So the smallest is first by default, as in
// Python's PriorityQueue; std::priority_queue has it the other way round. Of items that
// are equal, the oldest. The order must not throw, nor park: it is asked under a lock.
//
// In all else it is queue.hpp: room, waiting, times, close(). What is handed straight
// from a put() to a get() that waits, and what still waits for room, is not in the
// order yet: those are served as they came.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <tendril/sync/detail/heap.hpp>
#include <tendril/sync/queue.hpp>

#include <functional>

namespace tendril {

template <class T, class Before = std::less<T>>
using priority_queue = basic_queue<T, detail::heap_buffer<T, Before>>;

}  // namespace tendril
