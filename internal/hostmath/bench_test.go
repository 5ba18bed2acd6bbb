package hostmath_test

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/wherry-run/wherry/internal/hostmath"
)

// BenchmarkSGEMM says how many billions of floating-point operations a product
// does in a second, on every set.
func BenchmarkSGEMM(b *testing.B) {
	for _, size := range [][3]int{{512, 512, 512}, {256, 3136, 64}, {64, 3136, 576}, {128, 784, 1152}, {512, 49, 2048}, {128, 1536, 384}} {
		m, n, k := size[0], size[1], size[2]
		g := newGuest(b, (4*(m*k+k*n+m*n)+1<<16)&^0xffff)
		g.fill(rng(1), false)
		sets(b, func(set *hostmath.Set) {
			if set.Name() == hostmath.Go && testing.Short() {
				return
			}
			b.Run(fmt.Sprintf("%s/%dx%dx%d", set.Name(), m, n, k), func(b *testing.B) {
				rate(b, 2*m*n*k, func() (bool, error) {
					done, err, _ := g.call(set.Func("mlas.sgemm"), 111, 111, m, n, k, float32(1), 0, k, 4*m*k, n, float32(0), 4*(m*k+k*n), n)
					return done, err
				})
			})
		})
	}
}

// BenchmarkDGEMM does the same for products of float64 by columns.
func BenchmarkDGEMM(b *testing.B) {
	for _, n := range []int{128, 400, 800} {
		g := newGuest(b, (4096+3*8*n*n+1<<16)&^0xffff)
		kinds[1].fill(rng(1), g, false)
		kinds[1].put(g, 512, 1)
		kinds[1].put(g, 520, 0)
		a, side := 4096, uint32(n)
		g.words(256, uint32(a), uint32(a+8*n*n), uint32(a+16*n*n), 0, 512, 520, side, side, side, side, side, side)
		sets(b, func(set *hostmath.Set) {
			b.Run(fmt.Sprintf("%s/%d", set.Name(), n), func(b *testing.B) {
				rate(b, 2*n*n*n, func() (bool, error) {
					done, err, _ := g.call(set.Func("openblas.dgemm-nn"), 256, 0, 0, 16, 32, 0)
					return done, err
				})
			})
		})
	}
}

// rate reports the rate of the fastest call: the others were disturbed.
func rate(b *testing.B, operations int, call func() (bool, error)) {
	best := time.Duration(math.MaxInt64)
	for b.Loop() {
		start := time.Now()
		if done, err := call(); !done || err != nil {
			b.Fatalf("call = %v, %v", done, err)
		}
		best = min(best, time.Since(start))
	}
	b.ReportMetric(float64(operations)/best.Seconds()/1e9, "GFLOPS")
}

// BenchmarkDepthwise does the same for the convolutions of one filter.
func BenchmarkDepthwise(b *testing.B) {
	g := newGuest(b, 1<<18)
	for _, size := range [][2]int{{7, 1}, {14, 1}, {28, 1}, {56, 1}, {56, 2}, {112, 1}} {
		side, stride := size[0], size[1]
		out := (side-1)/stride + 1
		s := shape{
			channels: 1, filters: 1, input: [2]int{side, side}, kernel: [2]int{3, 3}, dilation: [2]int{1, 1}, padding: [2]int{1, 1},
			stride: [2]int{stride, stride}, output: [2]int{out, out}, kind: 5, high: 6, count: out * out,
		}
		s.put(g, true)
		sets(b, func(set *hostmath.Set) {
			b.Run(fmt.Sprintf("%s/%dby%d", set.Name(), side, stride), func(b *testing.B) {
				rate(b, 2*9*out*out, func() (bool, error) {
					done, err, _ := g.call(set.Func("mlas.conv"), s.params, s.in, s.filter, s.bias, 16, s.out, s.start, s.count)
					return done, err
				})
			})
		})
	}
}
