package hostmath

import (
	"math/rand/v2"
	"testing"
)

// TestDisjoint compares what is said of two matrices with their elements.
func TestDisjoint(t *testing.T) {
	r := rand.New(rand.NewPCG(43, 44))
	said := [2]int{}
	for range 20_000 {
		u := func(n int) int { return 1 + r.IntN(n) }
		type sheet struct{ address, rows, width, stride int }
		draw := func(stride int) sheet {
			s := sheet{8 * r.IntN(40), u(5), u(6), stride}
			if stride == 0 {
				s.stride = s.width + r.IntN(4)
			}
			return s
		}
		x := draw(0)
		y := draw(x.stride * r.IntN(2))
		if y.rows > 1 && y.stride < y.width {
			continue
		}
		have := map[int]bool{}
		for i := range x.rows {
			for j := range x.width {
				have[x.address+8*(i*x.stride+j)] = true
			}
		}
		common := false
		for i := range y.rows {
			for j := range y.width {
				common = common || have[y.address+8*(i*y.stride+j)]
			}
		}
		of := func(s sheet) area[float64] {
			return matrix[float64](uint32(s.address), uint32(s.rows), uint32(s.width), uint32(s.stride))
		}
		got := disjoint(of(x), x.width, x.stride, of(y), y.width, y.stride)
		if got && common || got != disjoint(of(y), y.width, y.stride, of(x), x.width, x.stride) {
			t.Fatalf("%+v and %+v are said to be disjoint", x, y)
		}
		if !got && !overlap(of(x), of(y)) {
			t.Fatalf("%+v and %+v are far from each other", x, y)
		}
		if got && overlap(of(x), of(y)) {
			said[0]++
		} else if !got {
			said[1]++
		}
	}
	if min(said[0], said[1]) < 100 {
		t.Errorf("%d are disjoint between each other's rows, %d are not: this tries little", said[0], said[1])
	}
	if a, b := (area[float64]{64, 2}), (area[float32]{80, 4}); overlap(a, b) || !overlap(a, area[float32]{76, 1}) || overlap(area[float32]{60, 1}, a) || !overlap(area[float32]{60, 2}, a) {
		t.Error("areas of numbers of other sizes are not where they are")
	}
}

// TestPieces: pieces are all of a matrix, once each, and none is larger than allowed.
func TestPieces(t *testing.T) {
	for _, c := range [][3]int{{1, 1, 1}, {3, 5, 7}, {7, 100, 30}, {100, 7, 30}, {5, 5, 100}, {4, 0, 10}, {2, 3, 0}} {
		rows, columns, most := c[0], c[1], c[2]
		seen := make([]int, rows*columns)
		err := pieces(rows, columns, most, func(i, height, j, width int) error {
			if height*width > max(1, most) {
				t.Errorf("%v: a piece has %d by %d", c, height, width)
			}
			for y := i; y < i+height; y++ {
				for x := j; x < j+width; x++ {
					seen[y*columns+x]++
				}
			}
			return nil
		})
		for _, n := range seen {
			if n != 1 || err != nil {
				t.Fatalf("%v: an element was had %d times: %v", c, n, err)
			}
		}
	}
}

// stages is an Env that keeps the work of every tick.
type stages struct {
	flat
	most uint64
	sum  uint64
}

func (s *stages) Tick(work uint64) error {
	s.most, s.sum = max(s.most, work), s.sum+work
	return nil
}

// TestExchange: rows are exchanged in the order of the pivots, however few at a time.
func TestExchange(t *testing.T) {
	const side, chunk = 50, 256 * 7
	r := rand.New(rand.NewPCG(45, 46))
	at := area[float64]{0, side * side}
	env := &stages{flat: make(flat, 8*side*side)}
	f := factors[float64]{gemm: &gemm[float64]{chunk: chunk}, env: env, m: side, n: side, a: at, lda: side}
	want := at.view(append(flat(nil), env.flat...))
	for i := range want {
		want[i] = float64(i)
	}
	copy(at.view(env.flat), want)
	for i := range side {
		f.pivots = append(f.pivots, int32(i+r.IntN(side-i)))
	}
	for x := range side {
		for i, p := range f.pivots {
			column := want[x*side:][:side]
			column[i], column[p] = column[p], column[i]
		}
	}
	if err := f.exchange(0, side, 0, side); err != nil || env.most > 7 || env.sum != side*side {
		t.Errorf("work of %d, at most %d at once: %v", env.sum, env.most, err)
	}
	for i, v := range at.view(env.flat) {
		if v != want[i] {
			t.Fatalf("element %d is %g, want %g", i, v, want[i])
		}
	}
}
