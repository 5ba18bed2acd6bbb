package cli

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync/atomic"
)

// A server's heap in Go is small - models are not in it - and a request leaves a few
// kilobytes to collect. By itself the collector would wait for four megabytes of that, and
// run a hundred times a second on a server that is asked much.
const (
	roomyHeap = 16 << 20 // that may be there before it is worth collecting
	// The percentage that is Go's own, and one at which no heap is too small.
	usualPercent, mostPercent = 100, 1600
)

// collectLess has Go's collector wait until there is something to collect, until it is
// told otherwise. Who has set GOGC or GOMEMLIMIT is obeyed.
func collectLess() (usual func()) {
	for _, name := range []string{"GOGC", "GOMEMLIMIT"} {
		if os.Getenv(name) != "" {
			return func() {}
		}
	}
	c := &collecting{percent: mostPercent / 4}
	before := debug.SetGCPercent(c.percent)
	c.await()
	return func() {
		c.over.Store(true)
		debug.SetGCPercent(before)
	}
}

// collecting sets the percentage after every collection, if it has to change.
type collecting struct {
	percent int // of the goroutine that runs finalizers, once it began
	over    atomic.Bool
}

// cycle is garbage from the beginning: it is collected in the next cycle.
type cycle struct{ _ [16]byte }

func (c *collecting) await() {
	runtime.SetFinalizer(&cycle{}, func(*cycle) {
		if c.over.Load() {
			return
		}
		c.adapt()
		c.await()
	})
}

func (c *collecting) adapt() {
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	if metrics.Read(live); live[0].Value.Kind() != metrics.KindUint64 {
		return
	}
	percent := roomPercent(live[0].Value.Uint64())
	if diff := percent - c.percent; diff*10 > c.percent || diff*10 < -c.percent { // to set it stops the world
		c.percent = percent
		debug.SetGCPercent(percent)
	}
}

// roomPercent is how much garbage may be beside so many bytes that live.
func roomPercent(live uint64) int {
	return int(min(max(roomyHeap*100/max(live, 1), usualPercent), mostPercent))
}
