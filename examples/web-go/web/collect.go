package web

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// A guest has one thread, and nothing runs between its requests: what the collector
// begins goes on by what requests do for it, for hundreds of them, and each pointer that
// they write is written twice meanwhile. So it is called, between two requests, before
// it comes by itself, and is done at once.

// often is after how many requests it is looked whether to collect.
const often = 128

var (
	answered int
	seldom   bool // twice as much is left behind as by default
	heap     = []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/gc/heap/goal:bytes"}, {Name: "/gc/heap/live:bytes"}}
)

// little is how much a program may keep that is collected seldom. One that keeps more has
// a bound of its memory to think of.
const little = 8 << 20

// collectSeldom has the collector come when twice as much was left behind as is by
// default, 8 MB. GOGC says otherwise.
func collectSeldom() {
	if os.Getenv("GOGC") == "" {
		seldom = true
		debug.SetGCPercent(200)
	}
}

// collectUsually has it come as by default.
func collectUsually() {
	seldom = false
	debug.SetGCPercent(100)
}

// collect is called after each request.
func collect() {
	if answered++; answered%often != 0 {
		return
	}
	metrics.Read(heap)
	if seldom && heap[2].Value.Uint64() > little {
		collectUsually()
		return
	}
	if heap[0].Value.Uint64() > heap[1].Value.Uint64()/8*5 {
		runtime.GC()
	}
}
