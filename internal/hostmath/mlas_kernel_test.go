package hostmath_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/wherry-run/wherry/internal/hostmath"
)

const (
	kernelAdd  = "mlas.sgemm-kernel-add"
	kernelZero = "mlas.sgemm-kernel-zero"
)

// odd numbers among plain ones.
func draw(r *rand.Rand, wild bool) float32 {
	if wild && r.IntN(40) == 0 {
		return []float32{float32(math.NaN()), float32(math.Inf(1)), float32(math.Inf(-1)), 0, 0x1p-149, 0x1p-126, math.MaxFloat32, float32(math.Copysign(0, -1))}[r.IntN(8)]
	}
	return float32(r.NormFloat64())
}

func TestMLASKernel(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	g := newGuest(t, 1<<18)
	sets(t, func(set *hostmath.Set) {
		for range 150 {
			m, n, k := 1+r.IntN(30), 1+r.IntN(70), 1+r.IntN(40)
			if r.IntN(20) == 0 {
				m, n, k = 1+r.IntN(60), 1+r.IntN(100), 1+r.IntN(300)
			}
			lda, ldc := k+r.IntN(5), n+r.IntN(5)
			add, wild := r.IntN(2) == 0, r.IntN(3) == 0
			alpha := []float32{1, 1, -0.5, 3}[r.IntN(4)]
			t.Run(fmt.Sprintf("%s/%dx%dx%d", set.Name(), m, n, k), func(t *testing.T) {
				panels := (n + 15) / 16
				a, b := 4096, 4096+4*m*lda
				c := len(g.mem) - 4*((m-1)*ldc+n) // ends with the memory
				if b+4*panels*16*k > c {
					t.Skip("does not fit")
				}
				for at := 0; at < len(g.mem); at += 4 {
					g.put(at, draw(r, wild))
				}
				if !add { // what was there does not matter
					g.put(c, float32(math.NaN()))
				}
				before := slices.Clone(g.mem)
				name := kernelZero
				if add {
					name = kernelAdd
				}
				was := guest{mem: before}
				done, err, stack := g.call(set.Func(name), a, b, c, k, m, n, lda, ldc, alpha)
				if !done || err != nil || stack[0] != uint64(m) {
					t.Fatalf("call = %v, %v, %d rows", done, err, stack[0])
				}
				g.unchanged(t, before, func(at int) bool { return at >= c && (at-c)/4%ldc < n })
				for i := range m {
					for j := range n {
						sum, size := 0.0, 0.0
						for p := range k {
							v := float64(was.at(a+4*(i*lda+p))) * float64(was.at(b+4*(j/16*16*k+p*16+j%16)))
							sum, size = sum+v, size+math.Abs(v)
						}
						want := float64(alpha) * sum
						if add {
							want += float64(was.at(c + 4*(i*ldc+j)))
							size += math.Abs(float64(was.at(c + 4*(i*ldc+j))))
						}
						if got := g.at(c + 4*(i*ldc+j)); !near(got, want, size*math.Abs(float64(alpha))+math.Abs(want), k) && size < math.MaxFloat32/4 {
							t.Fatalf("element %d, %d is %g, want %g", i, j, got, want)
						}
					}
				}
			})
		}
	})
	if g.held != 0 {
		t.Errorf("%d bytes are still held", g.held)
	}
}
