package bench

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"testing"
	"time"

	"github.com/tetratelabs/wazero"

	"github.com/wherry-run/wherry/internal/engine"
	"github.com/wherry-run/wherry/internal/prepare"
	"github.com/wherry-run/wherry/internal/wasm"
)

// kernels are the functions of kernels.c, with a number of rounds that takes some
// fifty milliseconds.
var kernels = []struct {
	name   string
	rounds uint64
}{
	{"matmul", 40},
	{"sha256", 60_000},
	{"nbody", 100_000},
	{"quicksort", 30},
}

// BenchmarkMeter is what it costs that a guest can be stopped: the kernels with
// our fuel, and with the flag that wazero checks for the same purpose, both
// beside the kernels without. Two interpreters, with fuel and without, stand for
// programs; the last line is about all of them.
func BenchmarkMeter(b *testing.B) {
	bin := clang(b, "kernels.c", "-nostdlib", "-Wl,--no-entry")
	e := newEngine(b)
	plain, metered := prepared(b, e, bin, false), prepared(b, e, bin, true)
	flagged := bareKernels(b, bin, wazero.NewRuntimeConfig().WithCloseOnContextDone(true))
	var ratios []float64
	for _, k := range kernels {
		b.Run(k.name, func(b *testing.B) {
			want := plain(k.name, k.rounds)
			run := func(call func(string, uint64) uint32) func() cost {
				return inProcess(func() {
					if got := call(k.name, k.rounds); got != want {
						b.Fatalf("checksum %#x, want %#x", got, want)
					}
				})
			}
			for b.Loop() {
				all := inTurns(11, run(plain), run(metered))
				slow := inTurns(3, run(flagged)) // several times slower: fewer rounds tell
				report(b, "plain-ms", least(all[0].cpu()), time.Millisecond)
				ratio(b, "min-fuel/plain", least(all[1].cpu()), least(all[0].cpu()))
				ratio(b, "median-fuel/plain", median(all[1].cpu()), median(all[0].cpu()))
				ratio(b, "wazero-flag/plain", least(slow[0].cpu()), least(all[0].cpu()))
				ratios = append(ratios, times(all[1], all[0]))
			}
			quiet(b)
		})
	}
	b.Run("python", func(b *testing.B) { ratios = append(ratios, meterPython(b)...) })
	b.Run("ruby", func(b *testing.B) { ratios = append(ratios, meterRuby(b)...) })
	summary(b, "fuel/plain", ratios)
}

// times is how many times the least of one side is that of the other.
func times(of, to series) float64 { return float64(least(of.cpu())) / float64(least(to.cpu())) }

// BenchmarkHostCall is one call of a Go function by a metered guest, beside
// wazero's plainest way.
func BenchmarkHostCall(b *testing.B) {
	bin := clang(b, "kernels.c", "-nostdlib", "-Wl,--no-entry")
	ours := prepared(b, newEngine(b), bin, true)
	theirs := bareKernels(b, bin, wazero.NewRuntimeConfig())
	const times = 200_000
	for b.Loop() {
		all := inTurns(15, inProcess(func() { ours("calls", times) }), inProcess(func() { theirs("calls", times) }))
		report(b, "wherry-ns", least(all[0].cpu())/times, time.Nanosecond)
		report(b, "wazero-ns", least(all[1].cpu())/times, time.Nanosecond)
		ratio(b, "min/wazero", least(all[0].cpu()), least(all[1].cpu()))
		ratio(b, "median/wazero", median(all[0].cpu()), median(all[1].cpu()))
	}
	quiet(b)
}

func newEngine(b *testing.B) *engine.Engine {
	b.Helper()
	e, err := engine.New(b.Context(), engine.Config{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { e.Close(context.WithoutCancel(b.Context())) })
	return e
}

// prepared instantiates the kernels as Wherry does, with fuel or without.
func prepared(b *testing.B, e *engine.Engine, bin []byte, fuel bool) func(name string, n uint64) uint32 {
	b.Helper()
	ctx := b.Context()
	options := prepare.Options{EngineFixes: e.NeedsFixes(), Fuel: fuel, Limits: wasm.DefaultLimits()}
	sum := sha256.Sum256([]byte(options.Key()))
	m, err := e.Load(ctx, hex.EncodeToString(sum[:]), func(ctx context.Context) (engine.Artifact, error) {
		p, err := prepare.Prepare(ctx, bin, options)
		if err != nil {
			return engine.Artifact{}, err
		}
		return engine.Artifact{Wasm: p.Wasm, Names: p.Names}, nil
	}, nil)
	if err != nil {
		b.Fatal(err)
	}
	i32 := []engine.ValueType{engine.I32}
	env := engine.HostModule{Name: "env", Funcs: []engine.HostFunc{{
		Name: "add", Params: append(i32, i32...), Results: i32,
		Call: func(_ context.Context, _ *engine.Guest, stack []uint64) { add(stack) },
	}}}
	i, err := e.Instantiate(ctx, m, engine.InstanceConfig{Imports: []engine.HostModule{env}})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { i.Close(context.WithoutCancel(ctx)) })
	return func(name string, n uint64) uint32 {
		results, err := i.Call(ctx, name, n)
		if err != nil {
			b.Fatal(err)
		}
		return uint32(results[0])
	}
}
