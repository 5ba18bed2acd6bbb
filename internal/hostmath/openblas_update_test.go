package hostmath_test

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/wherry-run/wherry/internal/hostmath"
)

// TestBLASTrmm compares with products of whole matrices.
func TestBLASTrmm(t *testing.T) {
	r, g := rng(31), newGuest(t, 1<<21)
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
						if i == j && unit || i != j && (i > j) != lower { // is not to be read
							kd.put(g, a.at(kd, i, j), math.NaN())
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
				done, err, stack := g.call(set.Func("openblas."+kd.letter+"trmm-"+of), 256, 0, 0, 16, 32, 0)
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
					return kd.get(was, a.at(kd, i, j))
				}
				for i := range m {
					for j := range n {
						var want sum
						for p := range side {
							if right {
								want.add(alpha * kd.get(was, b.at(kd, i, p)) * coefficient(p, j))
							} else {
								want.add(alpha * coefficient(i, p) * kd.get(was, b.at(kd, p, j)))
							}
						}
						if got := kd.get(g, b.at(kd, i, j)); !kd.near(got, want.v, want.size, side) {
							t.Fatalf("element %d, %d is %g, want %g", i, j, got, want.v)
						}
					}
				}
			})
		}
	})
}

func TestBLASSyr2k(t *testing.T) {
	r, g := rng(37), newGuest(t, 1<<21)
	sets(t, func(set *hostmath.Set) {
		for i := range 60 {
			kd, n, k := kinds[i%2], 1+r.IntN(160), 1+r.IntN(40)
			if r.IntN(4) == 0 {
				n, k = 1+r.IntN(40), 1+r.IntN(400)
			}
			ops := []string{"un", "ut", "ln", "lt"}[r.IntN(4)]
			t.Run(fmt.Sprintf("%s/%ssyr2k-%s/%dx%d", set.Name(), kd.letter, ops, n, k), func(t *testing.T) {
				kd.fill(r, g, r.IntN(3) == 0)
				rows, length := n, k
				if ops[1] == 't' {
					rows, length = k, n
				}
				a, ldc := columns{4096, rows + r.IntN(3)}, n+r.IntN(3)
				b := columns{a.at(kd, 0, length), rows + r.IntN(3)}
				c := columns{len(g.mem) - kd.size*((n-1)*ldc+n), ldc}
				if b.at(kd, 0, length) > c.address {
					t.Skip("does not fit")
				}
				alpha, beta := []float64{1, -0.5}[r.IntN(2)], []float64{0, 1, 0.5}[r.IntN(3)]
				kd.put(g, 512, alpha)
				kd.put(g, 520, beta)
				g.words(256, uint32(a.address), uint32(b.address), uint32(c.address), 0, 512, 520, r.Uint32(), uint32(n), uint32(k), uint32(a.stride), uint32(b.stride), uint32(ldc))
				before := slices.Clone(g.mem)
				was := &guest{mem: before}
				done, err, stack := g.call(set.Func("openblas."+kd.letter+"syr2k-"+ops), 256, 0, 0, 16, 32, 0)
				if !done || err != nil || stack[0] != 0 || g.held != 0 {
					t.Fatalf("call = %v, %v, %d", done, err, stack[0])
				}
				ours := func(i, j int) bool { return i < n && (i == j || i < j == (ops[0] == 'u')) }
				g.unchanged(t, before, func(at int) bool {
					at = (at - c.address) / kd.size
					return at >= 0 && ours(at%ldc, at/ldc)
				})
				of := func(m columns, i, p int) float64 {
					if ops[1] == 't' {
						i, p = p, i
					}
					return kd.get(was, m.at(kd, i, p))
				}
				for i := range n {
					for j := range n {
						if !ours(i, j) {
							continue
						}
						want := sum{}
						for p := range k {
							want.add(alpha * of(a, i, p) * of(b, j, p))
							want.add(alpha * of(b, i, p) * of(a, j, p))
						}
						if beta != 0 {
							want.add(beta * kd.get(was, c.at(kd, i, j)))
						}
						if got := kd.get(g, c.at(kd, i, j)); !kd.near(got, want.v, want.size, 2*k) {
							t.Fatalf("element %d, %d is %g, want %g", i, j, got, want.v)
						}
					}
				}
			})
		}
	})
}

func TestBLASSymv(t *testing.T) {
	r, g := rng(41), newGuest(t, 1<<20)
	sets(t, func(set *hostmath.Set) {
		for i := range 80 {
			kd, n, of := kinds[i%2], 1+r.IntN(200), []string{"u", "l"}[r.IntN(2)]
			t.Run(fmt.Sprintf("%s/%ssymv-%s/%d", set.Name(), kd.letter, of, n), func(t *testing.T) {
				kd.fill(r, g, r.IntN(3) == 0)
				a := columns{4096, n + r.IntN(3)}
				for i := range n {
					for j := range n {
						if i != j && (i > j) != (of == "l") { // is not to be read
							kd.put(g, a.at(kd, i, j), math.NaN())
						}
					}
				}
				x, y := a.at(kd, 0, n), len(g.mem)-kd.size*n
				before := slices.Clone(g.mem)
				was := &guest{mem: before}
				done, err, stack := g.call(set.Func("openblas."+kd.letter+"symv-"+of), n, n, kd.number(-0.5), a.address, a.stride, x, 1, y, 1, 16)
				if !done || err != nil || stack[0] != 0 || g.held != 0 {
					t.Fatalf("call = %v, %v, %d", done, err, stack[0])
				}
				g.unchanged(t, before, func(at int) bool { return at >= y })
				for i := range n {
					want := sum{}
					want.add(kd.get(was, y+kd.size*i))
					for p := range n {
						row, column := max(i, p), min(i, p)
						if of == "u" {
							row, column = column, row
						}
						want.add(-0.5 * kd.get(was, a.at(kd, row, column)) * kd.get(was, x+kd.size*p))
					}
					if got := kd.get(g, y+kd.size*i); !kd.near(got, want.v, want.size, n) {
						t.Fatalf("element %d is %g, want %g", i, got, want.v)
					}
				}
				part, err, _ := g.call(set.Func("openblas."+kd.letter+"symv-"+of), n, n-1, kd.number(1), a.address, a.stride, x, 1, y, 1, 16)
				if part || err != nil {
					t.Errorf("a thread's part = %v, %v, want it declined", part, err)
				}
			})
		}
	})
}

func TestBLASGer(t *testing.T) {
	r, g := rng(43), newGuest(t, 1<<20)
	sets(t, func(set *hostmath.Set) {
		for i := range 100 {
			kd, m, n := kinds[i%2], 1+r.IntN(300), 1+r.IntN(100)
			incx, incy := 1+r.IntN(3)*r.IntN(2), 1+r.IntN(3)
			t.Run(fmt.Sprintf("%s/%sger/%dx%d", set.Name(), kd.letter, m, n), func(t *testing.T) {
				kd.fill(r, g, false)
				lda := m + r.IntN(3)
				x, y := 4096, 4096+kd.size*m*incx
				a := columns{len(g.mem) - kd.size*((n-1)*lda+m), lda}
				if y+kd.size*n*incy > a.address {
					t.Skip("does not fit")
				}
				call := func() (bool, *guest) {
					before := slices.Clone(g.mem)
					done, err, stack := g.call(set.Func("openblas."+kd.letter+"ger"), m, n, 0, kd.number(2), x, incx, y, incy, a.address, a.stride, 16)
					if err != nil || done && stack[0] != 0 || g.held != 0 {
						t.Fatalf("call = %v, %v, %d", done, err, stack[0])
					}
					g.unchanged(t, before, func(at int) bool { return done && at >= a.address && (at-a.address)/kd.size%lda < m })
					return done, &guest{mem: before}
				}
				done, was := call()
				if !done {
					t.Fatal("it was declined")
				}
				for i := range m {
					for j := range n {
						want := sum{}
						want.add(kd.get(was, a.at(kd, i, j)))
						want.add(2 * kd.get(was, x+kd.size*i*incx) * kd.get(was, y+kd.size*j*incy))
						if got := kd.get(g, a.at(kd, i, j)); !kd.near(got, want.v, want.size, 1) {
							t.Fatalf("element %d, %d is %g, want %g", i, j, got, want.v)
						}
					}
				}
				kd.put(g, x+kd.size*incx*r.IntN(m), math.Inf(1))
				for j := range n {
					kd.put(g, y+kd.size*j*incy, 1)
				}
				if done, _ := call(); !done {
					t.Error("an infinity without a zero was declined")
				}
				kd.put(g, y+kd.size*incy*r.IntN(n), 0)
				if done, _ := call(); done { // the body leaves such a column as it is
					t.Error("an infinity times zero was done")
				}
			})
		}
	})
}

// TestBLASExtremes: what is too large or too small in between is so where the body's is: a
// number times alpha comes first, and the sum of a row of the mirror before alpha.
func TestBLASExtremes(t *testing.T) {
	r, g := rng(47), newGuest(t, 1<<20)
	sets(t, func(set *hostmath.Set) {
		for i := range 64 {
			kd, n, lower := kinds[i%2], 1+r.IntN(120), i/4%2 == 0
			far := math.Ldexp(1, 100) // of float32: two of them are too many
			if kd.size == 8 {
				far = math.Ldexp(1, 900)
			}
			alpha, scale := far, 1/far
			if i/2%2 == 0 {
				alpha, scale = 1/far, far
			}
			t.Run(fmt.Sprintf("%s/%s%d/%v/%g", set.Name(), kd.letter, n, lower, alpha), func(t *testing.T) {
				kd.fill(r, g, false)
				a := columns{4096, n}
				x := a.at(kd, 0, n)
				y, z := x+kd.size*n, len(g.mem)-kd.size*n
				for j := range n {
					for i := range n {
						kd.put(g, a.at(kd, i, j), math.Abs(kd.get(g, a.at(kd, i, j)))*scale)
					}
					// of one sign, as the matrix is: no sum depends on its order
					kd.put(g, x+kd.size*j, scale*math.Ldexp(1, r.IntN(3)))
					kd.put(g, y+kd.size*j, scale*math.Ldexp(1, r.IntN(3)))
					kd.put(g, z+kd.size*j, 0)
				}
				round := func(v float64) float64 {
					if kd.size == 4 {
						return float64(float32(v))
					}
					return v
				}
				mul := func(a, b float64) float64 { return round(a * b) }
				check := func(what string, at int, got, want float64) {
					t.Helper()
					if math.IsInf(got, 0) != math.IsInf(want, 0) || math.IsNaN(got) != math.IsNaN(want) || got == 0 != (want == 0) {
						t.Fatalf("%s: element %d is %g, want %g", what, at, got, want)
					}
				}

				was := &guest{mem: slices.Clone(g.mem)}
				of := "u"
				if lower {
					of = "l"
				}
				if done, err, _ := g.call(set.Func("openblas."+kd.letter+"symv-"+of), n, n, kd.number(alpha), a.address, a.stride, x, 1, z, 1, 16); !done || err != nil {
					t.Fatal(done, err)
				}
				for i := range n {
					want, sum := 0.0, 0.0
					for j := range n {
						row, column := max(i, j), min(i, j)
						if !lower {
							row, column = column, row
						}
						v, xj := kd.get(was, a.at(kd, row, column)), kd.get(was, x+kd.size*j)
						if i/16 != j/16 && (i < j) == lower { // of the mirror
							sum = round(sum + mul(v, xj))
							continue
						}
						want = round(want + mul(mul(alpha, xj), v))
					}
					want = round(want + mul(alpha, sum))
					check("symv", i, kd.get(g, z+kd.size*i), want)
				}

				copy(g.mem, was.mem)
				if done, err, _ := g.call(set.Func("openblas."+kd.letter+"gemv-n"), n, n, 0, kd.number(alpha), a.address, a.stride, x, 1, z, 1, 16); !done || err != nil {
					t.Fatal(done, err)
				}
				for i := range n {
					want := 0.0
					for j := range n {
						want = round(want + mul(mul(alpha, kd.get(was, x+kd.size*j)), kd.get(was, a.at(kd, i, j))))
					}
					check("gemv", i, kd.get(g, z+kd.size*i), want)
				}

				copy(g.mem, was.mem)
				if done, err, _ := g.call(set.Func("openblas."+kd.letter+"ger"), n, n, 0, kd.number(alpha), x, 1, y, 1, a.address, a.stride, 16); !done || err != nil {
					t.Fatal(done, err)
				}
				for i := range n {
					for j := range n {
						want := round(kd.get(was, a.at(kd, i, j)) + mul(mul(alpha, kd.get(was, y+kd.size*j)), kd.get(was, x+kd.size*i)))
						if got := kd.get(g, a.at(kd, i, j)); got != want {
							t.Fatalf("ger: element %d, %d is %g, want %g", i, j, got, want)
						}
					}
				}
			})
		}
	})
}

// TestBLASGerTicks: a call ends soon after somebody asked for that, wherever its numbers lie.
func TestBLASGerTicks(t *testing.T) {
	const m, n, step = 1 << 12, 1 << 15, 64
	g := newGuest(t, 4*(n*step+m*step)+4*m*n+1<<16)
	x, y := 4096, 4096+4*m*step
	a := y + 4*n*step
	sets(t, func(set *hostmath.Set) {
		for i := range n {
			g.put(y+4*step*i, 1)
		}
		g.ticks, g.most, g.work = 0, 0, 0
		done, err, _ := g.call(set.Func("openblas.sger"), m, n, 0, float32(1), x, step, y, step, a, m, 16)
		if !done || err != nil || g.most > 1<<18 || g.ticks <= m*n>>18 {
			t.Errorf("%s: %v, %v, %d ticks, of %d at most", set.Name(), done, err, g.ticks, g.most)
		}
		ticks := g.ticks
		for _, stop := range []int{1, 5, 9, ticks - 1} {
			g.ticks, g.stop = 0, stop
			if done, err, _ := g.call(set.Func("openblas.sger"), m, n, 0, float32(1), x, step, y, step, a, m, 16); !done || err == nil || g.ticks != stop || g.held != 0 {
				t.Errorf("%s: stopped at %d: %v, %v after %d", set.Name(), stop, done, err, g.ticks)
			}
		}
		g.stop = 0
	})
}
