package hostmath

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Names of sets of kernels.
const (
	AVX512 = "avx512" // amd64 with AVX-512 F, BW, DQ and VL
	AVX2   = "avx2"   // amd64 with AVX2 and FMA
	NEON   = "neon"   // arm64
	Go     = "go"     // everywhere, and slow: for tests
)

// Names of kernels; those of OpenBLAS are made by addBLAS.
const (
	mlasKernelAdd  = "mlas.sgemm-kernel-add"
	mlasKernelZero = "mlas.sgemm-kernel-zero"
	mlasSgemm      = "mlas.sgemm"
	mlasConv       = "mlas.conv"
	mlasIm2Col     = "mlas.im2col"
	mlasActivation = "mlas.activation"
)

// A Set is the kernels of one kind of processor. It does not change.
type Set struct {
	name string
	tools
	funcs map[string]Func
}

// tools are what the kernels of a set compute with.
type tools struct {
	gemm   *gemm32
	gemm64 *gemm[float64]
	sort32 sorter[int32]
	sort64 sorter[int64]
	loops  loops64
}

// Name returns the name of the set.
func (s *Set) Name() string { return s.name }

// Func returns a kernel, or nil when the set has none that is faster than the
// function's own body.
func (s *Set) Func(kernel string) Func { return s.funcs[kernel] }

// Kernels lists the kernels of the set.
func (s *Set) Kernels() []string { return slices.Sorted(maps.Keys(s.funcs)) }

// Available lists the sets that this processor can run, the fastest first.
func Available() []string { return append(native(), Go) }

// Select returns a set by its name; without a name the fastest, or an empty one
// where only Go is left, which is slower than what it would replace.
func Select(name string) (*Set, error) {
	have := Available()
	if name == "" {
		if have[0] == Go {
			return &Set{name: "none"}, nil
		}
		name = have[0]
	}
	if !slices.Contains(have, name) {
		return nil, fmt.Errorf("select kernels: this processor has no %q (it has %s)", name, strings.Join(have, ", "))
	}
	return newSet(name), nil
}

func newSet(name string) *Set {
	s := &Set{name: name, tools: units(name)}
	s.funcs = map[string]Func{
		mlasKernelAdd:  func(env Env, stack []uint64) (bool, error) { return s.mlasKernel(env, stack, true) },
		mlasKernelZero: func(env Env, stack []uint64) (bool, error) { return s.mlasKernel(env, stack, false) },
		mlasSgemm:      s.sgemm,
		mlasConv:       convolving(8, s.conv),
		mlasIm2Col:     convolving(7, s.im2col),
		mlasActivation: s.activation,
	}
	addBLAS(s.funcs, "openblas.s", &s.gemm.gemm)
	addBLAS(s.funcs, "openblas.d", s.gemm64)
	addSorts[int32, float32](s.funcs, "32", &s.sort32)
	addSorts[int64, float64](s.funcs, "64", &s.sort64)
	s.addLoops(wasiPythonExp, wasiPythonLog)
	return s
}

// addBLAS adds the kernels of OpenBLAS' functions of one type of numbers, with
// OpenBLAS' own names: n and t say whether a matrix is exchanged, u and l which
// triangle is meant.
func addBLAS[T number](funcs map[string]Func, prefix string, g *gemm[T]) {
	funcs[prefix+"gemm-kernel"] = blasKernel(g)
	funcs[prefix+"getrf"] = blasGetrf(g)
	funcs[prefix+"ger"] = blasGer(g)
	funcs[prefix+"symv-u"], funcs[prefix+"symv-l"] = blasSymv(g, false), blasSymv(g, true)
	for kind := range 16 { // side, exchange, triangle, diagonal, as OpenBLAS counts them
		name := string([]byte{"lr"[kind>>3&1], "nt"[kind>>2&1], "ul"[kind>>1&1], "un"[kind&1]})
		right, exchanged, lower, unit := name[0] == 'r', name[1] == 't', name[2] == 'l', name[3] == 'u'
		funcs[prefix+"trsm-"+name] = blasTrsm(g, right, exchanged, lower, unit)
		funcs[prefix+"trmm-"+name] = blasTrmm(g, right, exchanged, lower, unit)
	}
	for _, t := range []bool{false, true} {
		funcs[prefix+"gemv-"+letter(t)] = blasGemv(g, t)
		funcs[prefix+"syrk-u"+letter(t)] = blasSyrk(g, false, t)
		funcs[prefix+"syrk-l"+letter(t)] = blasSyrk(g, true, t)
		funcs[prefix+"syr2k-u"+letter(t)] = blasSyr2k(g, false, t)
		funcs[prefix+"syr2k-l"+letter(t)] = blasSyr2k(g, true, t)
		for _, u := range []bool{false, true} {
			funcs[prefix+"gemm-"+letter(t)+letter(u)] = blasGemm(g, t, u)
		}
	}
}

// addSorts adds the sorts of numbers of one size.
func addSorts[K key, T number](funcs map[string]Func, bits string, s *sorter[K]) {
	for kind, letter := range []string{signed: "i", unsigned: "u", floating: "f"} {
		funcs["numpy.sort-"+letter+bits] = numpySort[K, T](s, kind)
	}
}

// addLoops adds the loops over numbers, of functions whose tables are at these
// addresses.
func (s *Set) addLoops(exp, log uint32) {
	s.funcs["numpy.exp-f64"] = numpyLoop(function64{oneExp, s.loops.exp, area[float64]{exp, expSize}, expWork})
	s.funcs["numpy.log-f64"] = numpyLoop(function64{oneLog, s.loops.log, area[float64]{log, logSize}, logWork})
	s.funcs["numpy.tanh-f64"] = numpyLoop(function64{oneTanh, s.loops.tanh, area[float64]{}, tanhWork})
}

func letter(exchanged bool) string {
	if exchanged {
		return "t"
	}
	return "n"
}
