package hostmath_test

import (
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wherry-run/wherry/internal/hostmath"
)

// crewed is a guest that may compute on several processors.
type crewed struct {
	*guest
	cores    int
	others   int // that compute now
	computed atomic.Int64
}

func (c *crewed) Cores() int               { return c.cores }
func (c *crewed) Computing(others int)     { c.others += others }
func (c *crewed) Computed(d time.Duration) { c.computed.Add(int64(d)) }

// TestCrew has products computed on any number of processors: they are the same to the
// last bit.
func TestCrew(t *testing.T) {
	r, g := rng(37), newGuest(t, 1<<22)
	sets(t, func(set *hostmath.Set) {
		for i, size := range [][3]int{{257, 190, 150}, {100, 401, 163}, {40, 330, 400}} {
			kd, ops := kinds[i%2], []string{"nn", "nt", "tn"}[i]
			t.Run(fmt.Sprintf("%s/%sgemm-%s", set.Name(), kd.letter, ops), func(t *testing.T) {
				m, n, k := uint32(size[0]), uint32(size[1]), uint32(size[2])
				kd.fill(r, g, false)
				kd.put(g, 512, 1.5)
				kd.put(g, 520, 0.5)
				a := uint32(4096)
				b := a + uint32(kd.size)*m*k
				c := b + uint32(kd.size)*n*k
				g.words(256, a, b, c, 0, 512, 520, m, n, k, max(m, k), max(n, k), m)
				if ops == "nn" {
					g.words(256+36, m, k)
				}
				if ops == "nt" {
					g.words(256+36, m, n)
				}
				if ops == "tn" {
					g.words(256+36, k, k)
				}
				before, want, work := slices.Clone(g.mem), []byte(nil), uint64(0)
				for _, cores := range []int{1, 2, 3, 7} {
					copy(g.mem, before)
					g.work, g.most = 0, 0
					on := &crewed{guest: g, cores: cores}
					done, err := set.Func("openblas."+kd.letter+"gemm-"+ops)(on, []uint64{256, 0, 0, 16, 32, 0})
					if !done || err != nil || g.held != 0 {
						t.Fatalf("on %d: %v, %v", cores, done, err)
					}
					if cores == 1 {
						want, work = slices.Clone(g.mem), g.work
					}
					if !slices.Equal(want, g.mem) || work != g.work {
						t.Errorf("on %d they are other bits, or work of %d and not %d", cores, g.work, work)
					}
					if (on.computed.Load() > 0) != (cores > 1) {
						t.Errorf("on %d the others computed %d", cores, on.computed.Load())
					}
				}
			})
		}
	})
}

// TestCrewFault has a member of a crew reach out of the memory: that is a panic of the
// call, and the time of all is charged before.
func TestCrewFault(t *testing.T) {
	for _, member := range []int{0, 1, 2} {
		func() {
			on := &crewed{guest: &guest{}, cores: 3}
			defer func() {
				if on.computed.Load() < int64(time.Millisecond) || on.others != 0 {
					t.Errorf("with member %d the others computed for %d, and %d are left", member, on.computed.Load(), on.others)
				}
				if r := recover(); fmt.Sprint(r) != fmt.Sprint("member ", member) {
					t.Errorf("of member %d: %v", member, r)
				}
			}()
			hostmath.Share(on, func(i int) {
				if time.Sleep(time.Millisecond); on.others != 2 {
					t.Errorf("%d others compute", on.others)
				}
				if i == member {
					panic(fmt.Sprint("member ", member))
				}
			})
			t.Errorf("nobody hears of member %d", member)
		}()
	}
}
