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
	name   string
	gemm   *gemm32
	gemm64 *gemm[float64]
	funcs  map[string]Func
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
	s := &Set{name: name}
	s.gemm, s.gemm64 = units(name)
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
	return s
}

// addBLAS adds the kernels of OpenBLAS' functions of one type of numbers, with
// OpenBLAS' own names: n and t say whether a matrix is exchanged, u and l which
// triangle is meant.
func addBLAS[T number](funcs map[string]Func, prefix string, g *gemm[T]) {
	funcs[prefix+"gemm-kernel"] = blasKernel(g)
	for _, t := range []bool{false, true} {
		funcs[prefix+"gemv-"+letter(t)] = blasGemv(g, t)
		funcs[prefix+"syrk-u"+letter(t)] = blasSyrk(g, false, t)
		funcs[prefix+"syrk-l"+letter(t)] = blasSyrk(g, true, t)
		for _, u := range []bool{false, true} {
			funcs[prefix+"gemm-"+letter(t)+letter(u)] = blasGemm(g, t, u)
		}
	}
}

func letter(exchanged bool) string {
	if exchanged {
		return "t"
	}
	return "n"
}
