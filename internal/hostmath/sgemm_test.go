package hostmath_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/wherry-run/wherry/internal/hostmath"
)

// rng is a source of numbers that a test can be repeated with.
func rng(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 2)) }

// fill writes numbers into all of a memory.
func (g *guest) fill(r *rand.Rand, wild bool) {
	for at := 0; at < len(g.mem); at += 4 {
		g.put(at, draw(r, wild))
	}
}

func TestSGEMM(t *testing.T) {
	r := rng(3)
	g := newGuest(t, 1<<20)
	sets(t, func(set *hostmath.Set) {
		for range 60 {
			m, n, k := 1+r.IntN(40), 1+r.IntN(70), 1+r.IntN(60)
			switch r.IntN(8) {
			case 0:
				m, n, k = 1+r.IntN(300), 1+r.IntN(20), 1+r.IntN(700)
			case 2:
				m = 1 + r.IntN(4)
			case 1:
				m, n, k = 1+r.IntN(20), 1+r.IntN(2000), 1+r.IntN(300)
			}
			opA, opB := 111+r.IntN(2), 111+r.IntN(2)
			rowsA, columnsA, rowsB, columnsB := m, k, k, n
			if opA == 112 {
				rowsA, columnsA = k, m
			}
			if opB == 112 {
				rowsB, columnsB = n, k
			}
			lda, ldb, ldc := columnsA+r.IntN(4), columnsB+r.IntN(4), n+r.IntN(4)
			alpha, beta := []float32{1, 1, -2, 0.5}[r.IntN(4)], []float32{0, 1, 0, 0.5}[r.IntN(4)]
			wild := r.IntN(3) == 0
			t.Run(fmt.Sprintf("%s/%dx%dx%d/%d%d", set.Name(), m, n, k, opA, opB), func(t *testing.T) {
				a := 4096
				b := a + 4*rowsA*lda
				c := len(g.mem) - 4*((m-1)*ldc+n)
				if b+4*rowsB*ldb > c {
					t.Skip("does not fit")
				}
				g.fill(r, wild)
				before := slices.Clone(g.mem)
				was := guest{mem: before}
				done, err, _ := g.call(set.Func("mlas.sgemm"), opA, opB, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc)
				if !done || err != nil {
					t.Fatalf("call = %v, %v", done, err)
				}
				g.unchanged(t, before, func(at int) bool { return at >= c && (at-c)/4%ldc < n })
				at := func(base, ld, op, i, j int) float64 {
					if op == 112 {
						i, j = j, i
					}
					return float64(was.at(base + 4*(i*ld+j)))
				}
				for i := range m {
					for j := range n {
						sum, size := 0.0, 0.0
						for p := range k {
							v := at(a, lda, opA, i, p) * at(b, ldb, opB, p, j)
							sum, size = sum+v, size+math.Abs(v)
						}
						old := float64(was.at(c + 4*(i*ldc+j)))
						want := float64(alpha) * sum
						if beta != 0 {
							want += float64(beta) * old
							size += math.Abs(float64(beta) * old)
						}
						if got := g.at(c + 4*(i*ldc+j)); !near(got, want, size*2, k) && size < math.MaxFloat32/4 {
							t.Fatalf("element %d, %d is %g, want %g (alpha %g beta %g)", i, j, got, want, alpha, beta)
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
