package runtime_test

import (
	"context"
	"io"
	"testing"
	"time"

	"github.com/wherry-run/wherry/runtime"
)

// TestComputing: who computes is counted, who waits or rests is not, and nobody
// is left over, however a program ends.
func TestComputing(t *testing.T) {
	rt := open(t, t.TempDir(), runtime.Totals{})
	img := runtime.Program("probe", probeWasm(t))
	if err := createOn(t, rt, img, runtime.Spec{Args: []string{"args"}}).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		what   string
		limits runtime.Limits
		want   int
	}{
		{"spin", runtime.Limits{}, 1},
		{"sleep", runtime.Limits{}, 0},
		{"stdin", runtime.Limits{}, 0},
		{"spin", runtime.Limits{CPUs: 0.001}, 0},
	} {
		stdin, end := io.Pipe()
		defer end.Close()
		x := createOn(t, rt, img, runtime.Spec{Args: []string{c.what}, Stdin: stdin, Limits: c.limits})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- x.Run(ctx) }()
		time.Sleep(100 * time.Millisecond) // loaded already, so it has begun
		deadline := time.Now().Add(10 * time.Second)
		for rt.Computing() != c.want && time.Now().Before(deadline) {
			time.Sleep(time.Millisecond)
		}
		if n := rt.Computing(); n != c.want {
			t.Errorf("%s: %d compute, want %d", c.what, n, c.want)
		}
		cancel()
		<-done
	}
	for _, args := range [][]string{{"args"}, {"exit", "3"}, {"trap"}} {
		_ = createOn(t, rt, img, runtime.Spec{Args: args}).Run(t.Context())
	}
	if n := rt.Computing(); n != 0 {
		t.Errorf("%d compute when all have ended", n)
	}
}
