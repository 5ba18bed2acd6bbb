package runtime_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/wherry-run/wherry/runtime"
)

// TestPause: programs of a paused Runtime compute nothing, go on after Resume, and
// can be ended while they are paused.
func TestPause(t *testing.T) {
	rt := open(t, t.TempDir(), runtime.Totals{})
	img := runtime.Program("probe", probeWasm(t))
	x := createOn(t, rt, img, runtime.Spec{Args: []string{"spin"}})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- x.Run(ctx) }()
	until(t, "it computes", func() bool { return rt.Computing() == 1 && rt.Stats().Fuel > 0 })

	rt.Pause()
	rt.Pause() // is no other
	until(t, "it rests", func() bool { return rt.Computing() == 0 })
	before := rt.Stats()
	time.Sleep(100 * time.Millisecond)
	if after := rt.Stats(); after.Fuel != before.Fuel || after.CPU != before.CPU {
		t.Errorf("paused, it computed %d more", after.Fuel-before.Fuel)
	}
	rt.Resume()
	until(t, "it goes on", func() bool { return rt.Stats().Fuel > before.Fuel })

	rt.Pause()
	until(t, "it rests again", func() bool { return rt.Computing() == 0 })
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("it ended with %v", err)
	}
	rt.Resume()
}

func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited for: %s", what)
		}
	}
}
