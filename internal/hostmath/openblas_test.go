package hostmath_test

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/wherry-run/wherry/internal/hostmath"
)

// A kind is a type of numbers.
type kind struct {
	letter string
	size   int
	digit  float64 // the last of a number
}

var kinds = []kind{{"s", 4, 0x1p-23}, {"d", 8, 0x1p-52}}

func (k kind) get(g *guest, at int) float64 {
	if k.size == 4 {
		return float64(g.at(at))
	}
	return math.Float64frombits(binary.LittleEndian.Uint64(g.mem[at:]))
}

func (k kind) put(g *guest, at int, v float64) {
	if k.size == 4 {
		g.put(at, float32(v))
		return
	}
	binary.LittleEndian.PutUint64(g.mem[at:], math.Float64bits(v))
}

// number is an argument of the kind.
func (k kind) number(v float64) any {
	if k.size == 4 {
		return float32(v)
	}
	return v
}

func (k kind) fill(r *rand.Rand, g *guest, odd bool) {
	for at := 0; at < len(g.mem); at += k.size {
		k.put(g, at, float64(draw(r, odd)))
	}
}

// near says whether a number is what a sum of so many terms should be.
func (k kind) near(got, want, size float64, terms int) bool {
	switch {
	case size > 1e30:
		return true // where it overflows depends on the order
	case math.IsNaN(want) || math.IsInf(want, 0):
		return math.IsNaN(got) == math.IsNaN(want) && (math.IsNaN(want) || got == want)
	}
	return math.Abs(got-want) <= (size+math.Abs(want))*float64(terms+3)*k.digit+1e-40
}

// A sum is what an element of a result should be.
type sum struct{ v, size float64 }

func (s *sum) add(v float64) { s.v, s.size = s.v+v, s.size+math.Abs(v) }

// columns is a matrix by columns.
type columns struct{ address, stride int }

func (c columns) at(k kind, i, j int) int { return c.address + k.size*(j*c.stride+i) }

func TestBLASGemm(t *testing.T) {
	r, g := rng(11), newGuest(t, 1<<20)
	sets(t, func(set *hostmath.Set) {
		for i := range 120 {
			kd, m, n, k := kinds[i%2], 1+r.IntN(60), 1+r.IntN(60), 1+r.IntN(60)
			if r.IntN(6) == 0 {
				m, n, k = 1+r.IntN(8), 1+r.IntN(200), 1+r.IntN(400)
			}
			ops := []string{"nn", "nt", "tn", "tt"}[r.IntN(4)]
			t.Run(fmt.Sprintf("%s/%sgemm-%s/%dx%dx%d", set.Name(), kd.letter, ops, m, n, k), func(t *testing.T) {
				kd.fill(r, g, r.IntN(3) == 0)
				rowsA, columnsA, rowsB, columnsB := m, k, k, n
				if ops[0] == 't' {
					rowsA, columnsA = k, m
				}
				if ops[1] == 't' {
					rowsB, columnsB = n, k
				}
				a := columns{4096, rowsA + r.IntN(3)}
				b := columns{a.at(kd, 0, columnsA), rowsB + r.IntN(3)}
				ldc := m + r.IntN(3)
				c := columns{len(g.mem) - kd.size*((n-1)*ldc+m), ldc}
				if b.at(kd, 0, columnsB) > c.address {
					t.Skip("does not fit")
				}
				alpha, beta := []float64{1, -1, 0.5}[r.IntN(3)], []float64{0, 1, 0.5}[r.IntN(3)]
				kd.put(g, 512, alpha)
				kd.put(g, 520, beta)
				g.words(256, uint32(a.address), uint32(b.address), uint32(c.address), 0, 512, 520, uint32(m), uint32(n), uint32(k), uint32(a.stride), uint32(b.stride), uint32(c.stride))
				if beta == 1 && r.IntN(2) == 0 {
					g.words(256+20, 0)
				}
				before := slices.Clone(g.mem)
				was := &guest{mem: before}
				done, err, stack := g.call(set.Func("openblas."+kd.letter+"gemm-"+ops), 256, 0, 0, 16, 32, 0)
				if !done || err != nil || stack[0] != 0 {
					t.Fatalf("call = %v, %v, %d", done, err, stack[0])
				}
				g.unchanged(t, before, func(at int) bool { return at >= c.address && (at-c.address)/kd.size%ldc < m })
				for i := range m {
					for j := range n {
						var want sum
						for p := range k {
							x, y := a.at(kd, i, p), b.at(kd, p, j)
							if ops[0] == 't' {
								x = a.at(kd, p, i)
							}
							if ops[1] == 't' {
								y = b.at(kd, j, p)
							}
							want.add(alpha * kd.get(was, x) * kd.get(was, y))
						}
						if beta != 0 {
							want.add(beta * kd.get(was, c.at(kd, i, j)))
						}
						if got := kd.get(g, c.at(kd, i, j)); !kd.near(got, want.v, want.size, k) {
							t.Fatalf("element %d, %d is %g, want %g", i, j, got, want.v)
						}
					}
				}
			})
		}
	})
}

// coupled is where an element of vectors is that are packed two by two.
func coupled(which, vectors, length, i int) int {
	if which == vectors-1 && vectors%2 == 1 {
		return which*length + i
	}
	return which/2*2*length + 2*i + which%2
}

func TestBLASKernel(t *testing.T) {
	r, g := rng(13), newGuest(t, 1<<20)
	sets(t, func(set *hostmath.Set) {
		for i := range 80 {
			kd, m, n, k := kinds[i%2], 1+r.IntN(50), 1+r.IntN(50), 1+r.IntN(300)
			t.Run(fmt.Sprintf("%s/%s/%dx%dx%d", set.Name(), kd.letter, m, n, k), func(t *testing.T) {
				kd.fill(r, g, r.IntN(3) == 0)
				a, b, ldc := 4096, 4096+kd.size*m*k, m+r.IntN(3)
				c := columns{len(g.mem) - kd.size*((n-1)*ldc+m), ldc}
				if b+kd.size*n*k > c.address {
					t.Skip("does not fit")
				}
				before := slices.Clone(g.mem)
				was := &guest{mem: before}
				done, err, stack := g.call(set.Func("openblas."+kd.letter+"gemm-kernel"), m, n, k, kd.number(-0.5), a, b, c.address, ldc)
				if !done || err != nil || stack[0] != 0 {
					t.Fatalf("call = %v, %v, %d", done, err, stack[0])
				}
				g.unchanged(t, before, func(at int) bool { return at >= c.address && (at-c.address)/kd.size%ldc < m })
				for i := range m {
					for j := range n {
						want := sum{}
						want.add(kd.get(was, c.at(kd, i, j)))
						for p := range k {
							want.add(-0.5 * kd.get(was, a+kd.size*coupled(i, m, k, p)) * kd.get(was, b+kd.size*coupled(j, n, k, p)))
						}
						if got := kd.get(g, c.at(kd, i, j)); !kd.near(got, want.v, want.size, k) {
							t.Fatalf("element %d, %d is %g, want %g", i, j, got, want.v)
						}
					}
				}
			})
		}
	})
}

func TestBLASGemv(t *testing.T) {
	r, g := rng(17), newGuest(t, 1<<20)
	sets(t, func(set *hostmath.Set) {
		for i := range 120 {
			kd, m, n, op := kinds[i%2], 1+r.IntN(300), 1+r.IntN(100), []string{"n", "t"}[r.IntN(2)]
			incx, incy := 1+r.IntN(3), 1
			in, out := n, m
			if op == "t" {
				in, out, incy = m, n, 1+r.IntN(3)
			}
			t.Run(fmt.Sprintf("%s/%sgemv-%s/%dx%d", set.Name(), kd.letter, op, m, n), func(t *testing.T) {
				kd.fill(r, g, r.IntN(3) == 0)
				a := columns{4096, m + r.IntN(3)}
				x := a.at(kd, 0, n)
				y := len(g.mem) - kd.size*((out-1)*incy+1)
				before := slices.Clone(g.mem)
				was := &guest{mem: before}
				done, err, stack := g.call(set.Func("openblas."+kd.letter+"gemv-"+op), m, n, 0, kd.number(2), a.address, a.stride, x, incx, y, incy, 16)
				if !done || err != nil || stack[0] != 0 {
					t.Fatalf("call = %v, %v, %d", done, err, stack[0])
				}
				g.unchanged(t, before, func(at int) bool { return at >= y && (at-y)/kd.size%incy == 0 })
				for i := range out {
					want := sum{}
					want.add(kd.get(was, y+kd.size*i*incy))
					for p := range in {
						row, column := i, p
						if op == "t" {
							row, column = p, i
						}
						factor := 2 * kd.get(was, x+kd.size*p*incx)
						if op == "n" && kd.size == 4 { // which may be too large, as in the body
							factor = float64(float32(factor))
						}
						want.add(kd.get(was, a.at(kd, row, column)) * factor)
					}
					if got := kd.get(g, y+kd.size*i*incy); !kd.near(got, want.v, want.size, in) {
						t.Fatalf("element %d is %g, want %g", i, got, want.v)
					}
				}
			})
		}
	})
}

func TestBLASSyrk(t *testing.T) {
	r, g := rng(19), newGuest(t, 1<<20)
	sets(t, func(set *hostmath.Set) {
		for i := range 60 {
			kd, n, k := kinds[i%2], 1+r.IntN(160), 1+r.IntN(40)
			if r.IntN(4) == 0 {
				n, k = 1+r.IntN(40), 1+r.IntN(400)
			}
			ops := []string{"un", "ut", "ln", "lt"}[r.IntN(4)]
			t.Run(fmt.Sprintf("%s/%ssyrk-%s/%dx%d", set.Name(), kd.letter, ops, n, k), func(t *testing.T) {
				kd.fill(r, g, r.IntN(3) == 0)
				rows, length := n, k
				if ops[1] == 't' {
					rows, length = k, n
				}
				a, ldc := columns{4096, rows + r.IntN(3)}, n+r.IntN(3)
				c := columns{len(g.mem) - kd.size*((n-1)*ldc+n), ldc}
				if a.at(kd, 0, length) > c.address {
					t.Skip("does not fit")
				}
				alpha, beta := []float64{1, -0.5}[r.IntN(2)], []float64{0, 1, 0.5}[r.IntN(3)]
				kd.put(g, 512, alpha)
				kd.put(g, 520, beta)
				g.words(256, uint32(a.address), 1, uint32(c.address), 0, 512, 520, r.Uint32(), uint32(n), uint32(k), uint32(a.stride), r.Uint32(), uint32(ldc))
				before := slices.Clone(g.mem)
				was := &guest{mem: before}
				done, err, stack := g.call(set.Func("openblas."+kd.letter+"syrk-"+ops), 256, 0, 0, 16, 32, 0)
				if !done || err != nil || stack[0] != 0 || g.held != 0 {
					t.Fatalf("call = %v, %v, %d", done, err, stack[0])
				}
				ours := func(i, j int) bool { return i < n && (i == j || i < j == (ops[0] == 'u')) }
				g.unchanged(t, before, func(at int) bool {
					at = (at - c.address) / kd.size
					return at >= 0 && ours(at%ldc, at/ldc)
				})
				for i := range n {
					for j := range n {
						if !ours(i, j) {
							continue
						}
						want := sum{}
						for p := range k {
							x, y := a.at(kd, i, p), a.at(kd, j, p)
							if ops[1] == 't' {
								x, y = a.at(kd, p, i), a.at(kd, p, j)
							}
							want.add(alpha * kd.get(was, x) * kd.get(was, y))
						}
						if beta != 0 {
							want.add(beta * kd.get(was, c.at(kd, i, j)))
						}
						if got := kd.get(g, c.at(kd, i, j)); !kd.near(got, want.v, want.size, k) {
							t.Fatalf("element %d, %d is %g, want %g", i, j, got, want.v)
						}
					}
				}
			})
		}
	})
}
