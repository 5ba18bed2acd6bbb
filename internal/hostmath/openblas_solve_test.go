package hostmath_test

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/wherry-run/wherry/internal/hostmath"
)

// triangles are all that a triangle can be: from the right, exchanged, lower, of
// ones.
var triangles = func() (list []string) {
	for i := range 16 {
		list = append(list, string([]byte{"lr"[i>>3], "nt"[i>>2&1], "ul"[i>>1&1], "un"[i&1]}))
	}
	return list
}()

// TestBLASTrsm multiplies what was found, and compares with what there was.
func TestBLASTrsm(t *testing.T) {
	r, g := rng(23), newGuest(t, 1<<21)
	sets(t, func(set *hostmath.Set) {
		for i := range 96 {
			kd, m, n, of := kinds[i%2], 1+r.IntN(50), 1+r.IntN(50), triangles[i/2%16]
			switch r.IntN(6) {
			case 0:
				m = 60 + r.IntN(150)
			case 1:
				n = 60 + r.IntN(150)
			}
			t.Run(fmt.Sprintf("%s/%s%s/%dx%d", set.Name(), kd.letter, of, m, n), func(t *testing.T) {
				right, exchanged, lower, unit := of[0] == 'r', of[1] == 't', of[2] == 'l', of[3] == 'u'
				kd.fill(r, g, false)
				side := m
				if right {
					side = n
				}
				a, ldb := columns{4096, side + r.IntN(3)}, m+r.IntN(3)
				b := columns{len(g.mem) - kd.size*((n-1)*ldb+m), ldb}
				for i := range side {
					for j := range side {
						switch at := a.at(kd, i, j); {
						case i == j && !unit:
							kd.put(g, at, 2+kd.get(g, at)/4)
						case i == j || (i > j) != lower: // is not to be read
							kd.put(g, at, math.NaN())
						default:
							kd.put(g, at, kd.get(g, at)/float64(side))
						}
					}
				}
				alpha := []float64{1, -0.5}[r.IntN(2)]
				kd.put(g, 512, alpha)
				factor := uint32(512)
				if alpha == 1 {
					factor = 0
				}
				g.words(256, uint32(a.address), uint32(b.address), r.Uint32(), 0, r.Uint32(), factor, uint32(m), uint32(n), r.Uint32(), uint32(a.stride), uint32(ldb), r.Uint32())
				before := slices.Clone(g.mem)
				was := &guest{mem: before}
				done, err, stack := g.call(set.Func("openblas."+kd.letter+"trsm-"+of), 256, 0, 0, 16, 32, 0)
				if !done || err != nil || stack[0] != 0 || g.held != 0 {
					t.Fatalf("call = %v, %v, %d", done, err, stack[0])
				}
				g.unchanged(t, before, func(at int) bool { return at >= b.address && (at-b.address)/kd.size%ldb < m })
				coefficient := func(i, j int) float64 { // of op(A)
					if exchanged {
						i, j = j, i
					}
					switch {
					case i == j && unit:
						return 1
					case i != j && (i > j) != lower:
						return 0
					}
					return kd.get(g, a.at(kd, i, j))
				}
				for i := range m {
					for j := range n {
						var sum sum
						for p := range side {
							if right {
								sum.add(kd.get(g, b.at(kd, i, p)) * coefficient(p, j))
							} else {
								sum.add(coefficient(i, p) * kd.get(g, b.at(kd, p, j)))
							}
						}
						if want := alpha * kd.get(was, b.at(kd, i, j)); !kd.near(sum.v, want, sum.size, side) {
							t.Fatalf("equation %d, %d gives %g, want %g", i, j, sum.v, want)
						}
					}
				}
			})
		}
	})
}

// TestBLASGetrf multiplies the factors, and compares with the exchanged rows of what
// there was.
func TestBLASGetrf(t *testing.T) {
	r, g := rng(29), newGuest(t, 1<<21)
	sets(t, func(set *hostmath.Set) {
		for i := range 40 {
			kd, m, n := kinds[i%2], 1+r.IntN(90), 1+r.IntN(90)
			if r.IntN(5) == 0 {
				m, n = 100+r.IntN(100), 1+r.IntN(200)
			}
			zero := 0
			if r.IntN(4) == 0 {
				zero = 1 + r.IntN(min(m, n))
			}
			t.Run(fmt.Sprintf("%s/%s/%dx%d", set.Name(), kd.letter, m, n), func(t *testing.T) {
				kd.fill(r, g, false)
				list, lda := 4096, m+r.IntN(3)
				a := columns{len(g.mem) - kd.size*((n-1)*lda+m), lda}
				for i := range m {
					if zero > 0 {
						kd.put(g, a.at(kd, i, zero-1), 0)
					}
				}
				g.words(256, uint32(a.address), r.Uint32(), uint32(list), 0, 0, 0, uint32(m), uint32(n), r.Uint32(), uint32(lda), r.Uint32(), r.Uint32())
				before := slices.Clone(g.mem)
				was := &guest{mem: before}
				done, err, stack := g.call(set.Func("openblas."+kd.letter+"getrf"), 256, 0, 0, 16, 32, 0)
				if !done || err != nil || int(stack[0]) != zero || g.held != 0 {
					t.Fatalf("call = %v, %v, %d, want %d", done, err, stack[0], zero)
				}
				k := min(m, n)
				g.unchanged(t, before, func(at int) bool {
					return at >= list && at < list+4*k || at >= a.address && (at-a.address)/kd.size%lda < m
				})
				rows := make([]int, m)
				for i := range rows {
					rows[i] = i
				}
				for i := range k {
					p := int(binary.LittleEndian.Uint32(g.mem[list+4*i:])) - 1
					if p < i || p >= m {
						t.Fatalf("pivot %d is %d", i, p)
					}
					rows[i], rows[p] = rows[p], rows[i]
				}
				for i := range m {
					for j := range n {
						var sum sum
						for p := range min(i, j+1, k) {
							l := kd.get(g, a.at(kd, i, p))
							if math.Abs(l) > 1 {
								t.Fatalf("L has %g at %d, %d: the pivot was not the largest", l, i, p)
							}
							sum.add(l * kd.get(g, a.at(kd, p, j)))
						}
						if i <= j {
							sum.add(kd.get(g, a.at(kd, i, j)))
						}
						if want := kd.get(was, a.at(kd, rows[i], j)); !kd.near(sum.v, want, sum.size, k) {
							t.Fatalf("element %d, %d is %g, want %g", i, j, sum.v, want)
						}
					}
				}
			})
		}
		for _, odd := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
			kinds[1].fill(r, g, false)
			kinds[1].put(g, 4096+8*77, odd)
			g.words(256, 4096, 0, 512, 0, 0, 0, 10, 10, 0, 10, 0, 0)
			before := slices.Clone(g.mem)
			if done, err, _ := g.call(set.Func("openblas.dgetrf"), 256, 0, 0, 16, 32, 0); done || err != nil || !slices.Equal(before, g.mem) {
				t.Errorf("%s: a matrix with %g = %v, %v", set.Name(), odd, done, err)
			}
		}
	})
}
