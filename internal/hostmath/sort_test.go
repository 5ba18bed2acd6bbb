package hostmath_test

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/wherry-run/wherry/internal/hostmath"
)

// A sortable is a type of numbers that can be sorted: their bits, and their order.
type sortable struct {
	kernel string
	size   int
	order  func(x, y uint64) int
}

func f32(x uint64) float64 { return float64(math.Float32frombits(uint32(x))) }

// behind orders floating-point numbers as numpy does: what is none is last.
func behind(x, y float64) int {
	if x != x || y != y {
		return -cmp.Compare(x, y) // Go has them first
	}
	return cmp.Compare(x, y)
}

var sortables = []sortable{
	{"numpy.sort-i32", 4, func(x, y uint64) int { return cmp.Compare(int32(x), int32(y)) }},
	{"numpy.sort-u32", 4, func(x, y uint64) int { return cmp.Compare(uint32(x), uint32(y)) }},
	{"numpy.sort-f32", 4, func(x, y uint64) int { return behind(f32(x), f32(y)) }},
	{"numpy.sort-i64", 8, func(x, y uint64) int { return cmp.Compare(int64(x), int64(y)) }},
	{"numpy.sort-u64", 8, func(x, y uint64) int { return cmp.Compare(x, y) }},
	{"numpy.sort-f64", 8, func(x, y uint64) int { return behind(math.Float64frombits(x), math.Float64frombits(y)) }},
}

func (s sortable) get(mem []byte, i int) uint64 {
	if s.size == 4 {
		return uint64(binary.LittleEndian.Uint32(mem[4*i:]))
	}
	return binary.LittleEndian.Uint64(mem[8*i:])
}

func (s sortable) list(mem []byte) []uint64 {
	list := make([]uint64, len(mem)/s.size)
	for i := range list {
		list[i] = s.get(mem, i)
	}
	return list
}

// lists are of numbers as they come, and as somebody may arrange them.
var lists = map[string]func(r *rand.Rand, i, n int) uint64{
	"bits":    func(r *rand.Rand, _, _ int) uint64 { return r.Uint64() },
	"equal":   func(*rand.Rand, int, int) uint64 { return 0x4040404040404040 },
	"largest": func(r *rand.Rand, _, _ int) uint64 { return math.MaxInt64 - r.Uint64N(2)<<31 },
	"few":     func(r *rand.Rand, _, _ int) uint64 { return (r.Uint64N(5) - 2) << 29 },
	"up":      func(_ *rand.Rand, i, _ int) uint64 { return uint64(i) },
	"down":    func(_ *rand.Rand, i, n int) uint64 { return uint64(n - i) },
	"organ":   func(_ *rand.Rand, i, n int) uint64 { return uint64(min(i, n-i)) },
	"none":    func(r *rand.Rand, _, _ int) uint64 { return 0x7ff80000ffc00000 | r.Uint64N(2)<<63 | r.Uint64N(9) },
	"some":    func(r *rand.Rand, i, _ int) uint64 { return r.Uint64() | uint64(i%3/2*0x7ff00000ff800000) },
	"zeros":   func(r *rand.Rand, _, _ int) uint64 { return r.Uint64N(2)<<63 | r.Uint64N(2)<<31 },
}

func TestSort(t *testing.T) {
	r, g := rng(31), newGuest(t, 1<<21)
	sets(t, func(set *hostmath.Set) {
		for _, s := range sortables {
			for name, number := range lists {
				for _, n := range []int{1, 2, 7, 8, 9, 31, 33, 64, 65, 100, 1000, 1500, 5000, 150_000} {
					if n += r.IntN(3); n > 10_000 && (name != "bits" && name != "organ" && name != "some") {
						continue
					}
					t.Run(fmt.Sprintf("%s/%s/%s/%d", set.Name(), s.kernel, name, n), func(t *testing.T) {
						at := len(g.mem) - s.size*n
						for i := range n {
							v := number(r, i, n)
							if s.size == 4 {
								binary.LittleEndian.PutUint32(g.mem[at+4*i:], uint32(v))
							} else {
								binary.LittleEndian.PutUint64(g.mem[at+8*i:], v)
							}
						}
						before := slices.Clone(g.mem)
						done, err, _ := g.call(set.Func(s.kernel), at, n)
						if !done || err != nil || g.held != 0 {
							t.Fatalf("call = %v, %v", done, err)
						}
						if !slices.Equal(before[:at], g.mem[:at]) {
							t.Fatal("something else has changed")
						}
						had, got := s.list(before[at:]), s.list(g.mem[at:])
						for i := 1; i < n; i++ {
							if s.order(got[i-1], got[i]) > 0 {
								t.Fatalf("%x at %d stands before %x", got[i-1], i-1, got[i])
							}
						}
						slices.Sort(had)
						if slices.Sort(got); !slices.Equal(had, got) {
							t.Fatal("they are other numbers")
						}
					})
				}
			}
		}
	})
}

// BenchmarkSort says how long a number takes, of a million.
func BenchmarkSort(b *testing.B) {
	const n = 1_000_000
	g, r := newGuest(b, 1<<23), rng(33)
	list := make([]byte, 8*n)
	for _, s := range sortables {
		for i := range n {
			v := math.Float64bits(r.NormFloat64())
			if s.size == 4 {
				binary.LittleEndian.PutUint32(list[4*i:], math.Float32bits(float32(r.NormFloat64())))
			} else {
				binary.LittleEndian.PutUint64(list[8*i:], v)
			}
		}
		sets(b, func(set *hostmath.Set) {
			b.Run(set.Name()+"/"+s.kernel, func(b *testing.B) {
				for b.Loop() {
					b.StopTimer()
					copy(g.mem, list[:s.size*n])
					b.StartTimer()
					if done, err, _ := g.call(set.Func(s.kernel), 0, n); !done || err != nil {
						b.Fatalf("call = %v, %v", done, err)
					}
				}
			})
		})
	}
}

// TestSortTicks: a sort of any size is charged for, ends where it is told to, and does
// not go on for long without a tick.
func TestSortTicks(t *testing.T) {
	r, g := rng(41), newGuest(t, 1<<21)
	sets(t, func(set *hostmath.Set) {
		for _, s := range sortables {
			for _, n := range []int{2, 60, 300, 2000, 3000, 1 << 21 / s.size} {
				f := set.Func(s.kernel)
				fill := func() {
					for i := 0; i < s.size*n; i += 4 {
						binary.LittleEndian.PutUint32(g.mem[i:], r.Uint32()&^(1<<30)) // is a number
					}
				}
				fill()
				g.work, g.most, g.stop = 0, 0, 0
				if done, err, _ := g.call(f, 0, n); !done || err != nil || g.work < uint64(35*n) || g.most > 35*3<<16 {
					t.Errorf("%s/%s of %d: %v, %v, work of %d, at most %d at once", set.Name(), s.kernel, n, done, err, g.work, g.most)
				}
				fill()
				g.ticks, g.stop = 0, 1
				if done, err, _ := g.call(f, 0, n); !done || err != errStopped || g.held != 0 {
					t.Errorf("%s/%s of %d is not stopped: %v, %v", set.Name(), s.kernel, n, done, err)
				}
				g.stop = 0
			}
		}
	})
}

// TestSortMost: a list is left to the body when scratch as large is more than a host
// wants to have for it, before any of it is asked for.
func TestSortMost(t *testing.T) {
	g := newGuest(t, 1<<29+1<<16) // nothing of it is touched
	sets(t, func(set *hostmath.Set) {
		for _, s := range sortables {
			asked := &refusing{guest: g}
			for _, n := range []int{1<<29/s.size + 1, 1 << 29 / s.size} {
				done, err, _ := g.call(func(_ hostmath.Env, stack []uint64) (bool, error) { return set.Func(s.kernel)(asked, stack) }, 0, n)
				if done || err != nil || (asked.bytes > 0) != (n*s.size == 1<<29) {
					t.Errorf("%s/%s of %d: %v, %v, asked for %d", set.Name(), s.kernel, n, done, err, asked.bytes)
				}
			}
		}
	})
}

// refusing is a guest without room, that notes what it was asked for.
type refusing struct {
	*guest
	bytes int64
}

func (r *refusing) Hold(bytes int64) bool {
	r.bytes += bytes
	return bytes <= 0
}
