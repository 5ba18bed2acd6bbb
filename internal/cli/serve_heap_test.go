package cli

import (
	"runtime"
	"runtime/debug"
	"testing"
	"time"
)

func TestRoomPercent(t *testing.T) {
	for live, want := range map[uint64]int{0: 1600, 1 << 20: 1600, 4 << 20: 400, 16 << 20: 100, 1 << 40: 100} {
		if got := roomPercent(live); got != want {
			t.Errorf("%d bytes: %d %%, want %d", live, got, want)
		}
	}
}

// The collector is set after a collection, and put back at the end; GOGC is obeyed.
func TestCollectLess(t *testing.T) {
	t.Setenv("GOGC", "")
	t.Setenv("GOMEMLIMIT", "")
	before := debug.SetGCPercent(100)
	defer debug.SetGCPercent(before)
	hold := make([]byte, 64<<20)
	percent := func() int {
		p := debug.SetGCPercent(100)
		debug.SetGCPercent(p)
		return p
	}
	usual := collectLess()
	if percent() != mostPercent/4 {
		t.Errorf("%d %% at first", percent())
	}
	for end := time.Now().Add(10 * time.Second); percent() != usualPercent && time.Now().Before(end); time.Sleep(time.Millisecond) {
		runtime.GC()
	}
	if percent() != usualPercent {
		t.Errorf("%d %% with 64 MB that live", percent())
	}
	runtime.KeepAlive(hold)
	usual()
	if percent() != 100 {
		t.Errorf("%d %% in the end", percent())
	}
	t.Setenv("GOGC", "50")
	collectLess()()
	if percent() != 100 {
		t.Errorf("%d %%, and GOGC is set", percent())
	}
}
