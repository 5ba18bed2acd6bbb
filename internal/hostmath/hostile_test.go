package hostmath_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"

	"github.com/wherry-run/wherry/internal/hostmath"
)

// space is the memory of hostile calls: small, so that what is large misses it.
const space = 1 << 16

// A suspect is a kernel as a hostile guest calls it.
type suspect struct {
	kernel string
	params int
	// put writes structs, and plausible arguments that a call is drawn from.
	put func(r *rand.Rand, g *guest) []uint32
	// out is the matrix that may be written: by the arguments, and by the memory
	// as it was.
	out func(mem []byte, args []uint32) sheet
	// also is another such matrix; it may be nil.
	also   func(mem []byte, args []uint32) sheet
	tables bool
}

// of is the suspect of a set. Where a module has tables there is no memory here.
func (s *suspect) of(set *hostmath.Set) hostmath.Func {
	if s.tables {
		return hostmath.TablesAt(set, s.kernel, 8192, 12288)
	}
	return set.Func(s.kernel)
}

// A sheet is a matrix of rows.
type sheet struct {
	address, rows, columns, stride uint32
	size                           int // of a number; zero is four
}

func (s sheet) has(at int) bool {
	i := at - int(s.address)
	if i < 0 {
		return false
	}
	i /= max(4, s.size)
	if s.rows <= 1 {
		return s.rows == 1 && i < int(s.columns)
	}
	return i/int(s.stride) < int(s.rows) && i%int(s.stride) < int(s.columns)
}

func suspects() []suspect {
	kernel := func(r *rand.Rand, g *guest) []uint32 {
		m, n, k := few(r), few(r), few(r)
		return []uint32{place(r), place(r), place(r), k, m, n, k + r.Uint32N(3), n + r.Uint32N(3), math.Float32bits(1)}
	}
	tile := func(_ []byte, a []uint32) sheet { return sheet{a[2], a[4], a[5], a[7], 4} }
	conv := func(r *rand.Rand, g *guest) (s shape) {
		s = drawShape(r)
		s.put(g, true)
		for range r.IntN(3) - 1 { // some of the parameters are not what they should be
			g.words(s.params+4*r.IntN(31), wild(r))
		}
		return s
	}
	u32 := func(mem []byte, at uint32) uint32 {
		if uint64(at)+4 > uint64(len(mem)) {
			return 0
		}
		return binary.LittleEndian.Uint32(mem[at:])
	}
	return append(slices.Concat(blasSuspects(), solveSuspects(), updateSuspects(), numpySuspects()), []suspect{
		{kernel: "mlas.sgemm-kernel-add", params: 9, put: kernel, out: tile},
		{kernel: "mlas.sgemm-kernel-zero", params: 9, put: kernel, out: tile},
		{kernel: "mlas.sgemm", params: 13, put: func(r *rand.Rand, g *guest) []uint32 {
			m, n, k := few(r), few(r), few(r)
			beta := math.Float32bits([]float32{0, 1, 0.5}[r.IntN(3)])
			return []uint32{111 + r.Uint32N(2), 111 + r.Uint32N(2), m, n, k, math.Float32bits(1), place(r), max(m, k), place(r), max(n, k), beta, place(r), n + r.Uint32N(3)}
		}, out: func(_ []byte, a []uint32) sheet { return sheet{a[11], a[2], a[3], a[12], 4} }},
		{kernel: "mlas.activation", params: 6, put: func(r *rand.Rand, g *guest) []uint32 {
			g.words(64, r.Uint32N(8))
			g.put(68, draw(r, true), draw(r, true))
			n := few(r)
			return []uint32{64, place(r), place(r), few(r), n, n + r.Uint32N(3)}
		}, out: func(_ []byte, a []uint32) sheet { return sheet{a[1], a[3], a[4], a[5], 4} }},
		{kernel: "mlas.conv", params: 8, put: func(r *rand.Rand, g *guest) []uint32 {
			s := conv(r, g)
			return []uint32{uint32(s.params), place(r), place(r), place(r), place(r), place(r), uint32(s.start), uint32(s.count)}
		}, out: func(mem []byte, a []uint32) sheet {
			size := u32(mem, a[0]+112)
			return sheet{a[5] + 4*a[6], u32(mem, a[0]+92), a[7], size, 4}
		}},
		{kernel: "mlas.im2col", params: 7, put: func(r *rand.Rand, g *guest) []uint32 {
			s := conv(r, g)
			return []uint32{uint32(s.params), place(r), place(r), 0, uint32(s.k()), uint32(s.start), uint32(s.count)}
		}, out: func(_ []byte, a []uint32) sheet { return sheet{a[2], 1, a[4] * a[6], 0, 4} }},
	}...)
}

// blasSuspects are those of OpenBLAS, in both sizes of numbers. A number of
// eight bytes is one argument, the low half of which is drawn.
func blasSuspects() (list []suspect) {
	for _, kd := range kinds {
		at := func(r *rand.Rand) uint32 { return place(r) &^ uint32(kd.size-1) }
		for _, ops := range []string{"nn", "nt", "tn", "tt"} {
			list = append(list, suspect{kernel: "openblas." + kd.letter + "gemm-" + ops, params: 6, put: func(r *rand.Rand, g *guest) []uint32 {
				m, n, k := few(r), few(r), few(r)
				kd.put(g, 512, 1.5)
				kd.put(g, 520, []float64{0, 1, 0.5}[r.IntN(3)])
				g.words(256, at(r), at(r), at(r), 0, 512, 520, m, n, k, max(m, k), max(n, k), m+r.Uint32N(3))
				for range r.IntN(3) - 1 {
					g.words(256+4*r.IntN(12), wild(r))
				}
				return []uint32{256, 0, 0, 16, 32, 0}
			}, out: func(mem []byte, a []uint32) sheet {
				if uint64(a[0])+48 > uint64(len(mem)) {
					return sheet{}
				}
				u := func(offset uint32) uint32 { return binary.LittleEndian.Uint32(mem[a[0]+offset:]) }
				return sheet{u(8), u(28), u(24), u(44), kd.size}
			}})
		}
		for _, ops := range []string{"un", "ut", "ln", "lt"} {
			list = append(list, suspect{kernel: "openblas." + kd.letter + "syrk-" + ops, params: 6, put: func(r *rand.Rand, g *guest) []uint32 {
				n, k := few(r), few(r)
				kd.put(g, 512, 1.5)
				kd.put(g, 520, []float64{0, 1, 0.5}[r.IntN(3)])
				g.words(256, at(r), 0, at(r), 0, 512, 520, 0, n, k, max(n, k), 0, n+r.Uint32N(3))
				for range r.IntN(3) - 1 {
					g.words(256+4*r.IntN(12), wild(r))
				}
				return []uint32{256, 0, 0, 16, 32, 0}
			}, out: func(mem []byte, a []uint32) sheet {
				if uint64(a[0])+48 > uint64(len(mem)) {
					return sheet{}
				}
				u := func(offset uint32) uint32 { return binary.LittleEndian.Uint32(mem[a[0]+offset:]) }
				return sheet{u(8), u(28), u(28), u(44), kd.size}
			}})
		}
		list = append(list, suspect{kernel: "openblas." + kd.letter + "gemm-kernel", params: 8, put: func(r *rand.Rand, g *guest) []uint32 {
			m, n, k := few(r), few(r), few(r)
			return []uint32{m, n, k, 0x3fc00000, at(r), at(r), at(r), m + r.Uint32N(3)}
		}, out: func(_ []byte, a []uint32) sheet { return sheet{a[6], a[1], a[0], a[7], kd.size} }})
		for _, op := range []string{"n", "t"} {
			list = append(list, suspect{kernel: "openblas." + kd.letter + "gemv-" + op, params: 11, put: func(r *rand.Rand, g *guest) []uint32 {
				m := few(r)
				return []uint32{m, few(r), 0, 0x3fc00000, at(r), m + r.Uint32N(3), at(r), 1 + r.Uint32N(3), at(r), 1, 16}
			}, out: func(_ []byte, a []uint32) sheet {
				if op == "t" {
					return sheet{a[8], a[1], 1, a[9], kd.size}
				}
				return sheet{a[8], 1, a[0], a[0], kd.size}
			}})
		}
	}
	return list
}

func few(r *rand.Rand) uint32 { return 1 + r.Uint32N(40) }

// place is an address, often near the end.
func place(r *rand.Rand) uint32 {
	switch r.IntN(6) {
	case 0:
		return space - 4*r.Uint32N(2000)
	case 1:
		return r.Uint32N(space)
	}
	return 4 * r.Uint32N(space/4)
}

// wild is a number that nobody expects.
func wild(r *rand.Rand) uint32 {
	switch r.IntN(5) {
	case 0:
		return r.Uint32()
	case 1:
		return -r.Uint32N(70)
	case 2:
		return 1<<r.IntN(32) + r.Uint32N(3) - 1
	case 3:
		return r.Uint32N(2 * space)
	}
	return r.Uint32N(8)
}

// attempt makes a call, and fails when something has been written that must not
// be.
func (s *suspect) attempt(t testing.TB, g *guest, f hostmath.Func, args []uint32, before []byte) bool {
	t.Helper()
	copy(before, g.mem)
	stack := make([]uint64, len(args))
	for i, v := range args {
		stack[i] = uint64(v) | rand.Uint64()<<32
	}
	g.most = 0
	done, err := f(g, stack)
	if err != nil && !errors.Is(err, errStopped) || g.held != 0 || g.most > 1<<23 {
		t.Fatalf("%s%d: %v, %d bytes held, ticks of %d", s.kernel, args, err, g.held, g.most)
	}
	if bytes.Equal(before, g.mem) {
		return done
	}
	if !done {
		t.Fatalf("%s%d declined, and has written", s.kernel, args)
	}
	out, also := s.out(before, args), sheet{}
	if s.also != nil {
		also = s.also(before, args)
	}
	const some = 128 // bytes that are compared at once: most are as they were
	for from := 0; from < len(before); from += some {
		if bytes.Equal(before[from:from+some], g.mem[from:from+some]) {
			continue
		}
		for i := from; i < from+some; i++ {
			if before[i] != g.mem[i] && !out.has(i) && !also.has(i) {
				t.Fatalf("%s%d has written at %d", s.kernel, args, i)
			}
		}
	}
	return done
}

// TestHostile makes random calls. WHERRY_TEST_HOSTILE says how many million of
// each kernel.
func TestHostile(t *testing.T) {
	calls := 1000
	if v := os.Getenv("WHERRY_TEST_HOSTILE"); v != "" {
		millions, err := strconv.ParseFloat(v, 64)
		if err != nil {
			t.Fatal(err)
		}
		calls = int(millions * 1e6)
	}
	sets(t, func(set *hostmath.Set) {
		for _, s := range suspects() {
			t.Run(set.Name()+"/"+s.kernel, func(t *testing.T) {
				r, g, before := rng(7), newGuest(t, space), make([]byte, space)
				g.fill(r, true)
				did := 0
				for range calls {
					args := s.put(r, g)
					for range r.IntN(3) {
						args[r.IntN(len(args))] = wild(r)
					}
					g.room, g.stop, g.ticks = 0, 0, 0
					if r.IntN(16) == 0 {
						g.room = 1 + r.Int64N(1<<16)
					}
					if r.IntN(16) == 0 {
						g.stop = 1 + r.IntN(3)
					}
					if s.attempt(t, g, s.of(set), args, before) {
						did++
					}
				}
				if did < calls/20 {
					t.Errorf("only %d of %d calls were done: they try nothing", did, calls)
				}
			})
		}
	})
}

func FuzzKernels(f *testing.F) {
	list := suspects()
	r, g := rng(9), newGuest(f, space)
	for i, s := range list {
		var args []byte
		for _, v := range s.put(r, g) {
			args = binary.LittleEndian.AppendUint32(args, v)
		}
		f.Add(byte(i), args, bytes.Clone(g.mem[1024:1300]))
	}
	before := make([]byte, space)
	f.Fuzz(func(t *testing.T, which byte, args, content []byte) {
		s := list[int(which)%len(list)]
		copy(g.mem[1024:4096], content)
		list := make([]uint32, s.params)
		for i := range list {
			if len(args) >= 4*i+4 {
				list[i] = binary.LittleEndian.Uint32(args[4*i:])
			}
		}
		sets(t, func(set *hostmath.Set) { s.attempt(t, g, s.of(set), list, before) })
	})
}
