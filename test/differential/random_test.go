package differential

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wherry-run/wherry/internal/engine"
	"github.com/wherry-run/wherry/internal/prepare"
	"github.com/wherry-run/wherry/internal/prepare/generate"
)

// How many modules a plain run takes. The seeds are the first ones, so that it takes the same every time.
const (
	plainPrograms     = 300
	plainInstructions = 120
)

// TestRandomPrograms compares random programs.
func TestRandomPrograms(t *testing.T) { random(t, "program", plainPrograms, 0.8) }

// TestRandomInstructions compares single instructions in random surroundings.
func TestRandomInstructions(t *testing.T) { random(t, "instructions", plainInstructions, 0.2) }

// lab is what one goroutine compares modules with.
type lab struct {
	kind                  string
	compiler, interpreter *engine.Engine
}

// random runs the seeds of a plain test, the one that WHERRY_DIFF_SEED names, or new ones for a share of
// WHERRY_DIFF_TIME.
func random(t *testing.T, kind string, plain uint64, share float64) {
	compiler, interpreter := engines(t)
	l := &lab{kind, compiler, interpreter}
	if name := os.Getenv("WHERRY_DIFF_SEED"); name != "" {
		of, number, _ := strings.Cut(name, "/")
		if of != kind {
			t.Skipf("WHERRY_DIFF_SEED=%s is for another test", name)
		}
		seed, err := strconv.ParseUint(number, 10, 64)
		if err != nil {
			t.Fatalf("WHERRY_DIFF_SEED=%s: write program/NUMBER or instructions/NUMBER", name)
		}
		if err := l.compare(t.Context(), seed, nil); err != nil {
			t.Error(l.explain(t.Context(), seed, err))
		}
		return
	}
	first, end := uint64(0), func(n uint64) bool { return n >= plain }
	if text := os.Getenv("WHERRY_DIFF_TIME"); text != "" {
		d, err := time.ParseDuration(text)
		if err != nil {
			t.Fatal(err)
		}
		stop := time.Now().Add(time.Duration(float64(d) * share))
		first, end = rand.Uint64()>>16, func(uint64) bool { return time.Now().After(stop) }
		t.Logf("seeds from %d", first)
	} else if testing.Short() {
		plain /= 10
	}
	l.many(t, first, end)
}

// many compares modules on all cores until end says so.
func (l *lab) many(t *testing.T, first uint64, end func(n uint64) bool) {
	var next, failed atomic.Uint64
	var all sync.WaitGroup
	begin, before := time.Now(), runs.Load()
	for range runtime.GOMAXPROCS(0) {
		all.Go(func() {
			for {
				n := next.Add(1) - 1
				if end(n) || failed.Load() >= 5 || t.Context().Err() != nil {
					return
				}
				if n > 0 && n%1000 == 0 {
					t.Logf("%d modules, %v", n, time.Since(begin).Round(time.Second))
				}
				if err := l.compare(t.Context(), first+n, nil); err != nil {
					failed.Add(1)
					t.Error(l.explain(t.Context(), first+n, err))
				}
			}
		})
	}
	all.Wait()
	t.Logf("%d modules, %d runs of prepared ones, %v", next.Load(), runs.Load()-before, time.Since(begin).Round(time.Second))
}

// options draws what kind of module a seed stands for.
func (l *lab) options(seed uint64, skip map[int]bool) generate.Options {
	return generate.Options{Seed: seed, Throws: seed%3 > 0, Traps: seed%4 == 1, NaNs: seed%5 == 2, Ticks: seed%4 == 3, Skip: skip}
}

func (l *lab) write(o generate.Options) generate.Module {
	if l.kind == "program" {
		return generate.Program(o)
	}
	return generate.Instructions(o)
}

// compare runs the module of a seed in every way. A module whose NaNs are open has the same ones only where a pass
// makes them canonical.
func (l *lab) compare(ctx context.Context, seed uint64, skip map[int]bool) error {
	o := l.options(seed, skip)
	o.Exnref = true
	newer := l.write(o)
	o.Exnref = false
	legacy := l.write(o)
	bin := legacy
	if seed%2 == 0 {
		bin = newer
	}
	fixed := prepare.Options{EngineFixes: true, Workers: 1}
	fuel, canonical := fixed, fixed
	fuel.Fuel = true
	canonical.Fuel, canonical.Deterministic = true, true
	grant := 1 + seed%1000
	if seed%16 > 0 {
		grant += 5000
	}
	ways := []way{
		{name: "interpreter, metered", engine: l.interpreter, passes: fuel},
		{name: "compiler", engine: l.compiler, passes: fixed},
		{name: "compiler, metered", engine: l.compiler, passes: fuel},
		{name: "compiler, metered, small slices", engine: l.compiler, passes: fuel, grant: grant},
		{name: "compiler, deterministic", engine: l.compiler, passes: canonical},
	}
	var want outcome
	var err error
	if o.NaNs {
		plain := fixed
		plain.Deterministic = true
		want, err = way{name: "interpreter, deterministic", engine: l.interpreter, passes: plain}.run(ctx, newer)
		for i := range ways {
			ways[i].passes.Deterministic = true
			ways[i].name += ", canonical"
		}
	} else {
		want, err = asItIs(ctx, newer)
		if !l.compiler.NeedsFixes() {
			ways[1].passes.EngineFixes = false
		}
	}
	if err != nil {
		return err
	}
	var metered uint64
	for _, w := range ways {
		got, err := w.run(ctx, bin)
		if err != nil {
			return err
		}
		if got.String() != want.String() {
			return fmt.Errorf("%s: %s", w.name, got.differs(want))
		}
		if o.Ticks && l.kind == "program" && w.passes.Fuel && got.fuel < got.ticks {
			return fmt.Errorf("%s: spent %d units of fuel in %d rounds of loops", w.name, got.fuel, got.ticks)
		}
		switch {
		case !w.passes.Fuel || w.passes.Deterministic != ways[0].passes.Deterministic:
		case metered == 0:
			metered = got.fuel
		case got.fuel != metered:
			return fmt.Errorf("%s: spent %d units of fuel, on the interpreter %d", w.name, got.fuel, metered)
		}
	}
	return l.stopped(ctx, seed, bin, metered, fuel)
}

// stopped takes the fuel away in the middle: both engines must have come to the same point.
func (l *lab) stopped(ctx context.Context, seed uint64, bin generate.Module, metered uint64, passes prepare.Options) error {
	if metered < 2 {
		return nil
	}
	passes.Deterministic = true
	w := way{engine: l.interpreter, passes: passes, grant: 1 + seed%700, budget: 1 + seed%metered}
	want, err := w.run(ctx, bin)
	if err != nil {
		return err
	}
	w.engine = l.compiler
	got, err := w.run(ctx, bin)
	if err == nil && (got.String() != want.String() || got.fuel != want.fuel) {
		err = fmt.Errorf("stopped after %d units, in slices of %d: %s", w.budget, w.grant, got.differs(want))
	}
	return err
}

// explain makes a failing module small and says where it is.
func (l *lab) explain(ctx context.Context, seed uint64, failure error) error {
	deadline := time.Now().Add(2 * time.Minute)
	small := generate.Shrink(l.options(seed, nil), l.write(l.options(seed, nil)).Units, 600, func(o generate.Options) bool {
		return time.Now().Before(deadline) && ctx.Err() == nil && l.compare(ctx, seed, o.Skip) != nil
	})
	last := l.compare(ctx, seed, small.Skip)
	dir, err := os.MkdirTemp("", "wherry-differential-")
	if err != nil {
		return errors.Join(failure, err)
	}
	var shown strings.Builder
	for _, exnref := range []bool{false, true} {
		small.Exnref = exnref
		file := filepath.Join(dir, fmt.Sprintf("%s-%d-exnref-%v.wasm", l.kind, seed, exnref))
		if err := os.WriteFile(file, l.write(small).Wasm, 0o600); err != nil {
			return errors.Join(failure, err)
		}
		fmt.Fprintf(&shown, "\n%s", file)
	}
	if tool, err := exec.LookPath("wasm2wat"); err == nil {
		text, _ := exec.CommandContext(ctx, tool, "--enable-all", filepath.Join(dir, fmt.Sprintf("%s-%d-exnref-true.wasm", l.kind, seed))).Output()
		lines := strings.Split(string(text), "\n")
		shown.WriteString("\n" + strings.Join(lines[:min(len(lines), 400)], "\n"))
	}
	left := make([]int, 0, len(small.Skip))
	for i := range small.Skip {
		left = append(left, i)
	}
	slices.Sort(left)
	return fmt.Errorf("WHERRY_DIFF_SEED=%s/%d: %w\nsmall, without units %v: %w%s", l.kind, seed, failure, left, last, shown.String())
}
