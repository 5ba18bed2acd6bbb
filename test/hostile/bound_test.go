package hostile

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"testing"
	"time"
)

// patience is what loaded machines and emulators are given on top: a row's time
// is what it takes on an idle machine, generously.
const patience = 10

// bound is what a row may cost.
type bound struct {
	time   time.Duration // on an idle machine; patience times that is a failure
	memory int64         // growth of the resident set at its peak, in bytes
}

const (
	mib = 1 << 20
	gib = 1 << 30
)

// usual is the bound of a row that says nothing else.
var usual = bound{time: time.Second, memory: 128 * mib}

func (b bound) orUsual() bound {
	if b.time == 0 {
		b.time = usual.time
	}
	if b.memory == 0 {
		b.memory = usual.memory
	}
	return b
}

// settle collects what an earlier row left behind: after a large heap the
// collector would let this row make as much garbage before it begins.
func settle() {
	var m runtime.MemStats
	if runtime.ReadMemStats(&m); m.NextGC > 32*mib {
		runtime.GC()
	}
}

// within runs f and fails t when it took more than b allows. That f panics, or
// that the process dies, fails the test in any case.
func within(t *testing.T, b bound, f func()) {
	t.Helper()
	b = b.orUsual()
	settle()
	grown := watchMemory()
	start := time.Now()
	f()
	took, grew := time.Since(start), grown()
	if took > patience*b.time {
		t.Errorf("took %v, more than %v", took, patience*b.time)
	}
	if grew > b.memory {
		t.Errorf("grew by %d MiB, more than %d MiB", grew/mib, b.memory/mib)
		debug.FreeOSMemory() // not to be charged to the next row
	}
	if testing.Verbose() && (took > b.time/4 || grew > b.memory/4) {
		t.Logf("%v, %d MiB", took.Round(time.Millisecond), grew/mib)
	}
}

// corpus fails when a part of the corpus is smaller than promised, or has two
// rows of one name.
func corpus(t *testing.T, part string, names []string) {
	t.Helper()
	const promised = 60
	seen := map[string]bool{}
	for _, n := range names {
		if seen[n] {
			t.Errorf("%s: two rows are named %q", part, n)
		}
		seen[n] = true
	}
	if len(seen) < promised {
		t.Errorf("%s: %d rows, fewer than %d", part, len(seen), promised)
	}
	t.Log(fmt.Sprintf("%d %s", len(seen), part))
}
