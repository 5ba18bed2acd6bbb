package bench

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/wherry-run/wherry/internal/engine"
	"github.com/wherry-run/wherry/internal/prepare"
	"github.com/wherry-run/wherry/internal/wasm"
	"github.com/wherry-run/wherry/test/dock"
)

// wasmtimePackages are the engine that kernels are compared with.
const wasmtimePackages = "wasmtime==49.0.0"

// computing are the kernels of testdata/compute, with a number of rounds that takes
// some ten milliseconds.
var computing = []struct {
	name   string
	rounds uint64
}{
	{"matmul", 10}, {"matmul_simd", 60}, {"dot", 3000}, {"q8dot", 10_000}, {"spmv", 2000},
	{"relu", 2000}, {"relu_simd", 6000}, {"relu_psimd", 6000}, {"axpy", 4000}, {"fminmax", 1500}, {"expk", 300}, {"stencil", 600},
	{"nbody", 60_000}, {"sha256", 15_000}, {"crc", 250}, {"hash", 250}, {"sieve", 20}, {"words", 60}, {"smallcpy", 250},
	{"icall", 600}, {"fib", 500}, {"quicksort", 40}, {"qsortlibc", 15}, {"trees", 30}, {"interpret", 1500},
	{"rust_sort", 80}, {"rust_matmul", 40}, {"rust_text", 100},
}

// BenchmarkKernels is what a program that computes takes, beside Wasmtime: kernels in
// C and Rust, each on both engines in turns, as WebAssembly without anything
// (Wasmtime, plain), metered, and both with the rewrites that are made for the sake
// of machine code. The answers are equal.
func BenchmarkKernels(b *testing.B) {
	native := newOpponent(b, wasmtimePackages, "compute")
	sides := []computer{
		{"plain", computeOn(b, native, prepare.Options{})},
		{"metered", computeOn(b, nil, prepare.Options{Fuel: true})},
	}
	for _, r := range rewriteSets(b) {
		name := "rewritten"
		if r != prepare.AllRewrites {
			name = fmt.Sprintf("rewritten-%#x", uint8(r))
		}
		sides = append(sides, computer{name, computeOn(b, nil, prepare.Options{Rewrites: r, TrapEnds: true})},
			computer{name + "-metered", computeOn(b, nil, prepare.Options{Fuel: true, Rewrites: r, TrapEnds: true})})
	}
	ratios := make([][]float64, len(sides))
	for _, k := range computing {
		b.Run(k.name, func(b *testing.B) {
			for b.Loop() {
				answers := make([][]uint32, len(sides)+1)
				runs := []func() cost{func() cost {
					got, c := native.hear(map[string]any{"run": k.name, "rounds": k.rounds})
					answers[0] = append(answers[0], got)
					return c
				}}
				for i, s := range sides {
					runs = append(runs, inProcess(func() { answers[i+1] = append(answers[i+1], s.call(k.name, k.rounds)) }))
				}
				all := inTurns(12, runs...)
				for i, s := range sides {
					if !slices.Equal(answers[i+1], answers[0]) {
						b.Fatalf("%s answers %#x, Wasmtime %#x", s.name, answers[i+1], answers[0])
					}
				}
				report(b, "wasmtime-ms", least(all[0].cpu()), time.Millisecond)
				for i, s := range sides {
					ratio(b, s.name+"/wasmtime", least(all[i+1].cpu()), least(all[0].cpu()))
					ratios[i] = append(ratios[i], times(all[i+1], all[0]))
				}
			}
			quiet(b)
		})
	}
	for i, s := range sides {
		summary(b, s.name+"/wasmtime", ratios[i])
	}
}

// computer runs kernels in one of the ways there are.
type computer struct {
	name string
	call func(kernel string, rounds uint64) uint32
}

// rewriteSets are the sets of rewrites that are measured: all, or the numbers that
// WHERRY_REWRITES lists.
func rewriteSets(b *testing.B) (sets []prepare.Rewrites) {
	b.Helper()
	list := os.Getenv("WHERRY_REWRITES")
	if list == "" {
		return []prepare.Rewrites{prepare.AllRewrites}
	}
	for s := range strings.SplitSeq(list, ",") {
		n, err := strconv.ParseUint(s, 0, 8)
		if err != nil {
			b.Fatal(err)
		}
		sets = append(sets, prepare.Rewrites(n))
	}
	return sets
}

// computeModules compiles the kernels: those in C, and those in Rust where its
// compiler knows the target.
func computeModules(b *testing.B) [][]byte {
	b.Helper()
	c := clang(b, "compute/kernels.c", "-O3", "-msimd128", "-mexec-model=reactor")
	out := filepath.Join(b.TempDir(), "rust.wasm")
	text, err := exec.CommandContext(b.Context(), dock.Find(b, "rustc"), "--edition", "2021", "--target", "wasm32-wasip1", "-O", "-C", "panic=abort",
		"-C", "target-feature=+simd128", "--crate-type=cdylib", "-o", out, filepath.Join("testdata", "compute", "kernels.rs")).CombinedOutput()
	if err != nil {
		b.Fatalf("rustc: %v\n%s", err, text)
	}
	rust, err := os.ReadFile(out)
	if err != nil {
		b.Fatal(err)
	}
	return [][]byte{c, rust}
}

// computeOn prepares and instantiates the kernels on our engine.
func computeOn(b *testing.B, native *opponent, o prepare.Options) func(name string, rounds uint64) uint32 {
	b.Helper()
	ctx := b.Context()
	e := newEngine(b)
	o.EngineFixes, o.Limits = e.NeedsFixes(), wasm.DefaultLimits()
	exports := map[string]*engine.Instance{}
	for _, bin := range computeModules(b) {
		if native != nil {
			file := filepath.Join(b.TempDir(), "kernels.wasm")
			writeFiles(b, map[string][]byte{file: bin})
			native.ask(map[string]any{"load": file})
		}
		p, err := prepare.Prepare(ctx, bin, o)
		if err != nil {
			b.Fatal(err)
		}
		i, err := e.Instantiate(ctx, compiled(b, e, p).module, engine.InstanceConfig{})
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { i.Close(context.WithoutCancel(ctx)) })
		m, err := wasm.Decode(bin, o.Limits)
		if err != nil {
			b.Fatal(err)
		}
		for _, x := range m.Exports {
			exports[x.Name] = i
		}
	}
	call := func(name string, rounds uint64) uint32 {
		results, err := exports[name].Call(ctx, name, rounds)
		if err != nil {
			b.Fatal(err)
		}
		return uint32(results[0])
	}
	call("init", 1)
	if native != nil {
		native.ask(map[string]any{"run": "init", "rounds": 1})
	}
	return call
}
