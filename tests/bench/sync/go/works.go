// The same work in Go.
// SPDX-License-Identifier: BSL-1.0
package main

import (
	"runtime"
	"sync"
	"sync/atomic"
)

func mutexFree(n int, watch *stopwatch) {
	var m sync.Mutex
	held := 0
	for i := 0; i < n; i++ {
		m.Lock()
		held++
		m.Unlock()
	}
	watch.stop()
	require(held == n, "a lock was not taken")
}

// Each lets the others run while it holds the mutex, so that they all come to wait.
func mutexOf(size int) func(int, *stopwatch) {
	return func(n int, watch *stopwatch) {
		var m sync.Mutex
		var all sync.WaitGroup
		held := 0
		all.Add(size)
		for i := 0; i < size; i++ {
			go func() {
				defer all.Done()
				for k := 0; k < n/size; k++ {
					m.Lock()
					before := held
					runtime.Gosched()
					held = before + 1
					m.Unlock()
				}
			}()
		}
		all.Wait()
		watch.stop()
		require(held == n, "two held a mutex at once")
	}
}

func item(i int) int { return i % 7 }

func requireAllOf(n, sum int) {
	require(sum == n/7*21+n%7*(n%7-1)/2, "an item was lost")
}

// From one goroutine to another.
func pass(capacity int) func(int, *stopwatch) {
	return func(n int, watch *stopwatch) {
		items := make(chan int, capacity)
		done := make(chan int)
		go func() {
			sum := 0
			for i := 0; i < n; i++ {
				sum += <-items
			}
			done <- sum
		}()
		go func() {
			for i := 0; i < n; i++ {
				items <- item(i)
			}
		}()
		sum := <-done
		watch.stop()
		requireAllOf(n, sum)
	}
}

// The same with two processors to run on. `locked` gives each goroutine a thread of its
// own, as fibers of two hubs have; else Go may run both on one.
func passApart(capacity int, locked bool) func(int, *stopwatch) {
	return func(n int, watch *stopwatch) {
		items := make(chan int, capacity)
		if locked {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
		}
		go func() {
			if locked {
				runtime.LockOSThread() // for good: the thread ends with the goroutine
			}
			for i := 0; i < n; i++ {
				items <- item(i)
			}
		}()
		sum := <-items
		watch.start() // both are there
		for i := 1; i < n; i++ {
			sum += <-items
		}
		watch.stop()
		requireAllOf(n, sum)
	}
}

func selectOf4(n int, watch *stopwatch) {
	var items [4]chan int
	for k := range items {
		items[k] = make(chan int)
	}
	done := make(chan int)
	go func() {
		sum := 0
		for i := 0; i < n; i++ {
			select {
			case v := <-items[0]:
				sum += v
			case v := <-items[1]:
				sum += v
			case v := <-items[2]:
				sum += v
			case v := <-items[3]:
				sum += v
			}
		}
		done <- sum
	}()
	for k := range items {
		k := k
		go func() {
			for i := k; i < n; i += len(items) {
				items[k] <- item(i)
			}
		}()
	}
	sum := <-done
	watch.stop()
	requireAllOf(n, sum)
}

// Closing a channel wakes all who receive from it. Two by turns: while one is waited for,
// the other is made new.
func event1000(n int, watch *stopwatch) {
	const waiters = 1000
	rounds := n / waiters
	news := [2]chan struct{}{make(chan struct{}), make(chan struct{})}
	var arrived atomic.Int64
	var all sync.WaitGroup
	all.Add(waiters)
	for i := 0; i < waiters; i++ {
		go func() {
			defer all.Done()
			for r := 0; r < rounds; r++ {
				arrived.Add(1)
				<-news[r%2]
			}
		}()
	}
	allWait := func() {
		for arrived.Load() < waiters {
			runtime.Gosched()
		}
		arrived.Store(0)
	}
	allWait()
	watch.start()
	for r := 0; r < rounds; r++ {
		close(news[r%2])
		if r+1 < rounds {
			allWait()
		}
		news[r%2] = make(chan struct{})
	}
	all.Wait()
	watch.stop()
}

func gather1000(n int, watch *stopwatch) {
	const size = 1000
	sum := 0
	for first := 0; first < n; first += size {
		items := make([]int, size)
		var all sync.WaitGroup
		all.Add(size)
		for i := range items {
			i := i
			go func() {
				defer all.Done()
				items[i] = item(first + i)
			}()
		}
		all.Wait()
		for _, v := range items {
			sum += v
		}
	}
	watch.stop()
	requireAllOf(n, sum)
}

// A hundred at once at most, and what they return in the order of the items.
func imap100(n int, watch *stopwatch) {
	underWay := make(chan chan int, 100)
	go func() {
		for i := 0; i < n; i++ {
			i := i
			result := make(chan int, 1)
			underWay <- result
			go func() { result <- item(i) }()
		}
		close(underWay)
	}()
	sum := 0
	for result := range underWay {
		sum += <-result
	}
	watch.stop()
	requireAllOf(n, sum)
}

var works = []work{
	{"mutex_free", mutexFree, false},
	{"mutex_2", mutexOf(2), false},
	{"mutex_8", mutexOf(8), false},
	{"queue_0", pass(0), false},
	{"queue_64", pass(64), false},
	{"select_4", selectOf4, false},
	{"event_1000", event1000, false},
	{"gather_1000", gather1000, false},
	{"imap_100", imap100, false},
	{"queue_0_apart", passApart(0, false), true},
	{"queue_0_apart:locked", passApart(0, true), true},
	{"queue_64_apart", passApart(64, false), true},
	{"queue_64_apart:locked", passApart(64, true), true},
}
