package hostmath_test

import (
	"slices"
	"testing"

	"github.com/wherry-run/wherry/internal/hostmath"
)

// TestTall: however long a column is, and however many right sides there are, there is
// not much work between two ticks.
func TestTall(t *testing.T) {
	r, g := rng(47), newGuest(t, 1<<23)
	sets(t, func(set *hostmath.Set) {
		for _, kd := range kinds {
			for _, c := range []struct {
				kernel string
				most   uint64
				args   []uint32 // from m on
			}{
				{"getrf", 1 << 17, []uint32{300_000, 2, 0, 300_000, 0, 0}},
				{"trsm-lnlu", 1 << 22, []uint32{64, 15_000, 0, 64, 64, 0}},
				{"trsm-rnlu", 1 << 22, []uint32{15_000, 64, 0, 64, 15_000, 0}},
				{"trsm-rnlu", 1 << 19, []uint32{900_000, 1, 0, 1, 900_000, 0}},
			} {
				kd.fill(r, g, false)
				kd.put(g, 512, -0.5)
				b := uint32(4096 + 64*64*8)
				if c.kernel == "getrf" {
					g.words(256, b, 0, 4096, 0, 0, 0)
				} else {
					g.words(256, 4096, b, 0, 0, 0, 512)
					for i := range 64 * 64 {
						kd.put(g, 4096+kd.size*i, 1./1024)
					}
				}
				g.words(256+24, c.args...)
				g.most = 0
				done, err, _ := g.call(set.Func("openblas."+kd.letter+c.kernel), 256, 0, 0, 16, 32, 0)
				if !done || err != nil || g.most > c.most {
					t.Errorf("%s/%s%s: %v, %v, at most %d at once, want %d", set.Name(), kd.letter, c.kernel, done, err, g.most, c.most)
				}
			}
		}
	})
}

// TestOverlap: what would be written over while it is read is left to the body, and what
// lies between the rows of something else is not.
func TestOverlap(t *testing.T) {
	r, g := rng(53), newGuest(t, 1<<16)
	sets(t, func(set *hostmath.Set) {
		for _, kd := range kinds {
			size := uint32(kd.size)
			for _, c := range []struct {
				kernel  string
				a, b, c uint32 // addresses in numbers
				strides [2]uint32
				done    bool
			}{
				{"trsm-lnlu", 1000, 1000, 0, [2]uint32{40, 40}, false},
				{"trsm-lnlu", 1000, 1009, 0, [2]uint32{40, 40}, false},
				{"trsm-lnlu", 1000, 1010, 0, [2]uint32{40, 40}, true}, // below, as in a Cholesky factorization
				{"trsm-lnlu", 1000, 1010, 0, [2]uint32{40, 41}, false},
				{"trsm-lnlu", 1030, 1000, 0, [2]uint32{40, 40}, true},
				{"trsm-rnlu", 1000, 1031, 0, [2]uint32{40, 40}, false},
				{"getrf", 1000, 0, 1000, [2]uint32{10, 0}, false},
				{"getrf", 1000, 0, 1099, [2]uint32{10, 0}, false},
				{"getrf", 1000, 0, 1100, [2]uint32{10, 0}, true},
				{"getrf", 1010, 0, 1000, [2]uint32{10, 0}, true},
			} {
				kd.fill(r, g, false)
				g.words(256, size*c.a, size*c.b, size*c.c, 0, 0, 0, 10, 10, 0, c.strides[0], c.strides[1], 0)
				before := slices.Clone(g.mem)
				done, err, _ := g.call(set.Func("openblas."+kd.letter+c.kernel), 256, 0, 0, 16, 32, 0)
				if done != c.done || err != nil || !done && !slices.Equal(before, g.mem) {
					t.Errorf("%s/%s%s of %d, %d, %d: %v, %v", set.Name(), kd.letter, c.kernel, c.a, c.b, c.c, done, err)
				}
			}
		}
		for _, c := range []struct {
			kernel string
			to     uint32
			done   bool
		}{{"numpy.exp-f64", 8192 - 800, true}, {"numpy.exp-f64", 8192 - 792, false}, {"numpy.log-f64", 12288 + 8, false}, {"numpy.tanh-f64", 8192, true}} {
			g.words(256, 16384, c.to, 100, 0, 8, 8)
			before := slices.Clone(g.mem)
			done, err, _ := g.call(hostmath.TablesAt(set, c.kernel, 8192, 12288), 256, 264, 272, 0)
			if done != c.done || err != nil || !done && !slices.Equal(before, g.mem) {
				t.Errorf("%s/%s to %d: %v, %v", set.Name(), c.kernel, c.to, done, err)
			}
		}
	})
}

// TestCrewSolve has factorizations, and equations from either side, on any number of
// processors: all of them compute, and the bits are the same.
func TestCrewSolve(t *testing.T) {
	r, g := rng(59), newGuest(t, 1<<22)
	sets(t, func(set *hostmath.Set) {
		for _, c := range []struct {
			kernel string
			args   []uint32
		}{
			{"getrf", []uint32{500, 480, 0, 501, 0, 0}},
			{"trsm-lnlu", []uint32{300, 400, 0, 300, 301, 0}},
			{"trsm-ltlu", []uint32{300, 400, 0, 300, 301, 0}},
			{"trsm-rnlu", []uint32{400, 300, 0, 300, 401, 0}},
		} {
			kd := kinds[1]
			kd.fill(r, g, false)
			if c.kernel == "getrf" {
				g.words(256, 4096, 0, 2048, 0, 0, 0)
			} else {
				for i := range 300 * 300 {
					kd.put(g, 4096+8*i, r.Float64()/300)
				}
				g.words(256, 4096, 4096+8*300*300, 0, 0, 0, 0)
			}
			g.words(256+24, c.args...)
			before, want, work := slices.Clone(g.mem), []byte(nil), uint64(0)
			for _, cores := range []int{1, 2, 5} {
				copy(g.mem, before)
				g.work = 0
				on := &crewed{guest: g, cores: cores}
				done, err := set.Func("openblas.d"+c.kernel)(on, []uint64{256, 0, 0, 16, 32, 0})
				if !done || err != nil || g.held != 0 {
					t.Fatalf("%s/%s on %d: %v, %v", set.Name(), c.kernel, cores, done, err)
				}
				if cores == 1 {
					want, work = slices.Clone(g.mem), g.work
				}
				if !slices.Equal(want, g.mem) || work != g.work {
					t.Errorf("%s/%s on %d: other bits, or work of %d and not %d", set.Name(), c.kernel, cores, g.work, work)
				}
				if (on.computed.Load() > 0) != (cores > 1) {
					t.Errorf("%s/%s on %d: the others computed %d", set.Name(), c.kernel, cores, on.computed.Load())
				}
			}
		}
	})
}
