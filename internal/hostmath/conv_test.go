package hostmath_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/wherry-run/wherry/internal/hostmath"
)

// shape is a convolution, and where its parts are.
type shape struct {
	channels, filters                                int
	input, kernel, dilation, padding, stride, output [2]int
	kind                                             int
	low, high, beta                                  float32
	start, count                                     int

	params, in, filter, bias, out, end int
}

// k is the length of the sums.
func (s *shape) k() int      { return s.channels * s.kernel[0] * s.kernel[1] }
func (s *shape) points() int { return s.output[0] * s.output[1] }

// drawShape draws a convolution whose output is not empty.
func drawShape(r *rand.Rand) (s shape) {
	s.channels, s.filters = 1+r.IntN(6), 1+r.IntN(20)
	if r.IntN(2) == 0 {
		s.channels, s.filters = 1, 1
	}
	for i := range 2 {
		s.input[i], s.kernel[i], s.dilation[i], s.stride[i] = 1+r.IntN(40), 1+r.IntN(5), 1, 1+r.IntN(3)
		if r.IntN(4) == 0 {
			s.dilation[i] = 1 + r.IntN(3)
		}
		s.padding[i] = r.IntN(s.kernel[i] + 1)
		behind := r.IntN(s.kernel[i] + 1)
		span := (s.kernel[i]-1)*s.dilation[i] + 1
		s.output[i] = (s.input[i]+s.padding[i]+behind-span)/s.stride[i] + 1
		if s.input[i]+s.padding[i]+behind < span {
			return drawShape(r)
		}
	}
	s.kind = []int{0, 1, 5}[r.IntN(3)]
	s.low, s.high = -0.5, 6
	s.beta = float32(r.IntN(4) / 3)
	s.start, s.count = 0, s.points()
	if r.IntN(4) == 0 {
		s.start = r.IntN(s.points())
		s.count = 1 + r.IntN(s.points()-s.start)
	}
	return s
}

// put writes the parameters, and lays the parts out.
func (s *shape) put(g *guest, bias bool) {
	s.params = 1024
	act := 2048
	g.words(act, uint32(s.kind))
	g.put(act+4, s.low, s.high)
	g.words(s.params, uint32(act), 2)
	at := func(offset int, v ...int) {
		for i, n := range v {
			g.words(s.params+offset+4*i, uint32(n))
		}
	}
	at(20, s.input[:]...)
	at(32, s.kernel[:]...)
	at(44, s.dilation[:]...)
	at(56, s.padding[:]...)
	at(80, s.stride[:]...)
	at(92, s.filters)
	at(96, s.output[:]...)
	at(108, s.input[0]*s.input[1], s.points(), s.k())
	g.put(s.params+120, s.beta)
	s.in = 8192
	s.filter = s.in + 4*s.channels*s.input[0]*s.input[1]
	s.bias = s.filter + 4*s.filters*s.k()
	s.out = len(g.mem) - 4*s.filters*s.points()
	s.end = s.bias + 4*s.filters
	if !bias {
		s.bias = 0
	}
}

// want is what an element should be, and the size of what was added.
func (s *shape) want(was *guest, filter, point int) (v, size float64) {
	for k := range s.k() {
		tap := k % (s.kernel[0] * s.kernel[1])
		y := point/s.output[1]*s.stride[0] + tap/s.kernel[1]*s.dilation[0] - s.padding[0]
		x := point%s.output[1]*s.stride[1] + tap%s.kernel[1]*s.dilation[1] - s.padding[1]
		seen := 0.0
		if y >= 0 && y < s.input[0] && x >= 0 && x < s.input[1] {
			seen = float64(was.at(s.in + 4*(k/(s.kernel[0]*s.kernel[1])*s.input[0]*s.input[1]+y*s.input[1]+x)))
		}
		p := seen * float64(was.at(s.filter+4*(filter*s.k()+k)))
		v, size = v+p, size+math.Abs(p)
	}
	if s.beta != 0 {
		old := float64(was.at(s.out + 4*(filter*s.points()+point)))
		v, size = v+old, size+math.Abs(old)
	}
	if s.bias != 0 {
		b := float64(was.at(s.bias + 4*filter))
		v, size = v+b, size+math.Abs(b)
	}
	return s.cut(v), size
}

func (s *shape) cut(v float64) float64 {
	switch {
	case math.IsNaN(v):
	case s.kind == 1:
		v = max(v, 0)
	case s.kind == 5:
		v = min(max(v, float64(s.low)), float64(s.high))
	}
	return v
}

func TestConvolution(t *testing.T) {
	r := rng(5)
	g := newGuest(t, 1<<18)
	sets(t, func(set *hostmath.Set) {
		for i := range 200 {
			s := drawShape(r)
			t.Run(fmt.Sprintf("%s/%d", set.Name(), i), func(t *testing.T) {
				g.fill(r, r.IntN(3) == 0)
				s.put(g, r.IntN(3) > 0)
				if s.end > s.out {
					t.Skip("does not fit")
				}
				before := slices.Clone(g.mem)
				was := guest{mem: before}
				done, err, _ := g.call(set.Func("mlas.conv"), s.params, s.in, s.filter, s.bias, 16, s.out, s.start, s.count)
				if !done || err != nil {
					t.Fatalf("call = %v, %v", done, err)
				}
				g.unchanged(t, before, func(at int) bool {
					point := (at - s.out) / 4 % s.points()
					return at >= s.out && point >= s.start && point < s.start+s.count
				})
				for f := range s.filters {
					for p := s.start; p < s.start+s.count; p++ {
						want, size := s.want(&was, f, p)
						if got := g.at(s.out + 4*(f*s.points()+p)); !near(got, want, size*2, s.k()) && size < math.MaxFloat32/4 {
							t.Fatalf("%+v: filter %d, point %d is %g, want %g", s, f, p, got, want)
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
