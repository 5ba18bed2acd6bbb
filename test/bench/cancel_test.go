package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	goruntime "runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/wherry-run/wherry/runtime"
)

// BenchmarkCancel is how long a run goes on after its context was cancelled, at
// a random moment of its first fifty milliseconds. The goal is 100 ms for 99 of
// 100; -benchtime 1000x is the run to quote.
func BenchmarkCancel(b *testing.B) {
	bin := clang(b, "cancel.c", "-mbulk-memory")
	ctx := context.Background()
	rt, err := runtime.New(ctx)
	if err != nil {
		b.Fatal(err)
	}
	defer rt.Close(ctx)
	for _, what := range []string{"loop", "calls", "fill", "print", "sleep", "read", "rest"} {
		b.Run(what, func(b *testing.B) {
			random := rand.New(rand.NewPCG(1, 2))
			var late []time.Duration
			for range b.N {
				late = append(late, cancelled(b, rt, bin, what, time.Duration(random.Int64N(int64(50*time.Millisecond)))))
			}
			slices.Sort(late)
			report(b, "p50-ms", median(late), time.Millisecond)
			report(b, "p99-ms", late[len(late)*99/100], time.Millisecond)
			report(b, "max-ms", late[len(late)-1], time.Millisecond)
			quiet(b)
		})
	}
}

// cancelled starts a run, cancels it, and says how long that took.
func cancelled(b *testing.B, rt *runtime.Runtime, bin []byte, what string, after time.Duration) time.Duration {
	stdin, end := io.Pipe()
	defer end.Close()
	spec := runtime.Spec{Args: []string{what}, Stdin: stdin}
	if what == "rest" { // it pays for what it computed
		spec.Args, spec.Limits.CPUs = []string{"loop"}, 0.01
	}
	c, err := rt.Create(b.Context(), runtime.Program("cancel", bin), spec)
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close(context.WithoutCancel(b.Context()))
	ctx, cancel := context.WithCancel(b.Context())
	var at time.Time
	timer := time.AfterFunc(after, func() {
		at = time.Now()
		cancel()
	})
	defer timer.Stop()
	err = c.Run(ctx)
	ended := time.Now()
	if !errors.Is(err, context.Canceled) {
		b.Fatalf("%s: %v", what, err)
	}
	<-ctx.Done() // at is written
	return ended.Sub(at)
}

// BenchmarkCollect is how long a collection of Go's garbage takes while a guest
// computes on every processor, beside one with none. It must stop them all.
func BenchmarkCollect(b *testing.B) {
	bin := clang(b, "cancel.c", "-mbulk-memory")
	ctx := context.Background()
	rt, err := runtime.New(ctx)
	if err != nil {
		b.Fatal(err)
	}
	defer rt.Close(ctx)
	for _, what := range []string{"none", "loop", "calls", "fill"} {
		b.Run(what, func(b *testing.B) {
			if what != "none" {
				everywhere(b, rt, bin, what)
			}
			var took []time.Duration
			for range b.N {
				began := time.Now()
				goruntime.GC()
				took = append(took, time.Since(began))
			}
			slices.Sort(took)
			report(b, "p50-ms", median(took), time.Millisecond)
			report(b, "p99-ms", took[len(took)*99/100], time.Millisecond)
			quiet(b)
		})
	}
}

// everywhere has a guest compute on every processor until the benchmark ends.
func everywhere(b *testing.B, rt *runtime.Runtime, bin []byte, what string) {
	var containers []*runtime.Container
	for range goruntime.GOMAXPROCS(0) {
		c, err := rt.Create(b.Context(), runtime.Program("cancel", bin), runtime.Spec{Args: []string{what}})
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { c.Close(context.Background()) })
		containers = append(containers, c)
		go c.Run(context.WithoutCancel(b.Context()))
	}
	for _, c := range containers { // until all of them compute
		for c.Stats().Fuel == 0 {
			time.Sleep(time.Millisecond)
		}
	}
	b.ResetTimer()
}

// BenchmarkCompute is a fixed amount of work of one guest, and of one on every
// processor: what it costs that they give way to others.
func BenchmarkCompute(b *testing.B) {
	bin := clang(b, "cancel.c", "-mbulk-memory")
	ctx := context.Background()
	rt, err := runtime.New(ctx)
	if err != nil {
		b.Fatal(err)
	}
	defer rt.Close(ctx)
	for _, guests := range []int{1, goruntime.GOMAXPROCS(0)} {
		b.Run(fmt.Sprint(guests), func(b *testing.B) {
			var all series
			for range b.N {
				all = append(all, inProcess(func() { together(b, rt, bin, guests) })())
			}
			report(b, "min-cpu-ms", least(all.cpu()), time.Millisecond)
			report(b, "p50-cpu-ms", median(all.cpu()), time.Millisecond)
			report(b, "min-ms", least(all.wall()), time.Millisecond)
			report(b, "p50-ms", median(all.wall()), time.Millisecond)
			quiet(b)
		})
	}
}

// together has guests compute a billion units each.
func together(b *testing.B, rt *runtime.Runtime, bin []byte, guests int) {
	var done sync.WaitGroup
	for range guests {
		done.Go(func() {
			c, err := rt.Create(b.Context(), runtime.Program("cancel", bin), runtime.Spec{
				Args: []string{"calls"}, Limits: runtime.Limits{Fuel: 1_000_000_000},
			})
			if err != nil {
				b.Error(err)
				return
			}
			defer c.Close(context.WithoutCancel(b.Context()))
			if err := c.Run(b.Context()); !errors.As(err, new(*runtime.LimitError)) {
				b.Error(err)
			}
		})
	}
	done.Wait()
}
