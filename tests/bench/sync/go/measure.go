// What measure.hpp is to the other systems: the same command line, the same warm-up, the
// same lines of output.
// SPDX-License-Identifier: BSL-1.0
package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"syscall"
	"time"
)

const batch = 1000

// Of all threads, those that collect garbage among them.
func processorTime() time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		panic(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

var program = time.Now()

func clockTime() time.Duration { return time.Since(program) }

type stopwatch struct {
	now           func() time.Duration
	begin, passed time.Duration
}

func (w *stopwatch) start() { w.begin = w.now() }
func (w *stopwatch) stop()  { w.passed = w.now() - w.begin }

type work struct {
	name  string
	run   func(n int, watch *stopwatch)
	apart bool // on two processors, by the clock
}

func require(held bool, what string) {
	if !held {
		panic(what)
	}
}

func timeOf(w work, n int) time.Duration {
	watch := &stopwatch{now: processorTime}
	runtime.GOMAXPROCS(1)
	if w.apart {
		watch.now = clockTime
		runtime.GOMAXPROCS(2)
	}
	watch.start()
	w.run(n, watch)
	return watch.passed
}

func runAndPrint(w work, count int) {
	const enoughToJudge, toMeasure = 20 * time.Millisecond, 100 * time.Millisecond
	n := count
	var passed time.Duration
	if count > 0 {
		passed = timeOf(w, n)
	} else {
		for n = batch; ; n *= 2 {
			if passed = timeOf(w, n); passed >= enoughToJudge {
				break
			}
		}
		n = int(float64(n/batch)*float64(toMeasure)/float64(passed)+1) * batch
		passed = timeOf(w, n)
	}
	fmt.Printf("%s\t%.3f\tns\n", w.name, float64(passed.Nanoseconds())/float64(n))
}

func find(name string) work {
	for _, w := range works {
		if w.name == name {
			return w
		}
	}
	fmt.Fprintf(os.Stderr, "%s: no work named '%s'; try --list\n", os.Args[0], name)
	os.Exit(2)
	return work{}
}

func main() {
	var chosen []work
	count := 0
	for i := 1; i < len(os.Args); i++ {
		switch arg := os.Args[i]; {
		case arg == "--list":
			for _, w := range works {
				fmt.Println(w.name)
			}
			return
		case arg == "--quick":
			count = 2 * batch
		case arg == "--count" && i+1 < len(os.Args):
			i++
			given, err := strconv.Atoi(os.Args[i])
			require(err == nil && given >= batch, "--count needs a number from 1000")
			count = given / batch * batch
		default:
			chosen = append(chosen, find(arg))
		}
	}
	if len(chosen) == 0 {
		chosen = works
	}
	for _, w := range chosen {
		runAndPrint(w, count)
	}
}
