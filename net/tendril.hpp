// tendril.hpp - all of tendril that needs nothing but Boost and the C++ library.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <tendril/net/address.hpp>
#include <tendril/net/listener.hpp>
#include <tendril/net/serve.hpp>
#include <tendril/net/socket.hpp>
#include <tendril/runtime/cancel.hpp>
#include <tendril/runtime/clock.hpp>
#include <tendril/runtime/context_var.hpp>
#include <tendril/runtime/deadlock.hpp>
#include <tendril/runtime/dump.hpp>
#include <tendril/runtime/error.hpp>
#include <tendril/runtime/fiber.hpp>
#include <tendril/runtime/fiber_local.hpp>
#include <tendril/runtime/generator.hpp>
#include <tendril/runtime/greenlet.hpp>
#include <tendril/runtime/hub.hpp>
#include <tendril/runtime/run.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>
#include <tendril/runtime/stack.hpp>
#include <tendril/runtime/timeout.hpp>
#include <tendril/runtime/trace.hpp>
#include <tendril/runtime/watchdog.hpp>
#include <tendril/sync/barrier.hpp>
#include <tendril/sync/bounded_semaphore.hpp>
#include <tendril/sync/capped_semaphore.hpp>
#include <tendril/sync/channel.hpp>
#include <tendril/sync/condition_variable.hpp>
#include <tendril/sync/event.hpp>
#include <tendril/sync/flag.hpp>
#include <tendril/sync/future.hpp>
#include <tendril/sync/latch.hpp>
#include <tendril/sync/lifo_queue.hpp>
#include <tendril/sync/mutex.hpp>
#include <tendril/sync/priority_queue.hpp>
#include <tendril/sync/queue.hpp>
#include <tendril/sync/recursive_mutex.hpp>
#include <tendril/sync/select.hpp>
#include <tendril/sync/semaphore.hpp>
#include <tendril/sync/shared_mutex.hpp>
#include <tendril/sync/wait_queue.hpp>
