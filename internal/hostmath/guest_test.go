package hostmath_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/wherry-run/wherry/internal/hostmath"
)

// guest is a memory that ends where reading ends, and counts what it is charged.
type guest struct {
	mem   []byte
	work  uint64
	ticks int
	most  uint64 // work of one tick
	held  int64
	room  int64 // of scratch; zero is no bound
	stop  int   // tick that fails; zero is none
}

var errStopped = errors.New("stopped")

func newGuest(t testing.TB, size int) *guest { return &guest{mem: fenced(t, size)} }

func (g *guest) Memory() []byte { return g.mem }

func (g *guest) Tick(work uint64) error {
	g.ticks++
	g.work += work
	g.most = max(g.most, work)
	if g.ticks == g.stop {
		return errStopped
	}
	return nil
}

func (g *guest) Hold(bytes int64) bool {
	if g.room > 0 && g.held+bytes > g.room {
		return false
	}
	g.held += bytes
	return true
}

// put writes numbers, and at reads one.
func (g *guest) put(address int, list ...float32) {
	for i, v := range list {
		binary.LittleEndian.PutUint32(g.mem[address+4*i:], math.Float32bits(v))
	}
}

func (g *guest) words(address int, list ...uint32) {
	for i, v := range list {
		binary.LittleEndian.PutUint32(g.mem[address+4*i:], v)
	}
}

func (g *guest) at(address int) float32 {
	return math.Float32frombits(binary.LittleEndian.Uint32(g.mem[address:]))
}

// call calls a kernel with i32 and f32 arguments, above which there is garbage.
func (g *guest) call(f hostmath.Func, args ...any) (done bool, err error, stack []uint64) {
	for _, a := range args {
		if a, ok := a.(float64); ok {
			stack = append(stack, math.Float64bits(a))
			continue
		}
		var v uint32
		switch a := a.(type) {
		case int:
			v = uint32(a)
		case uint32:
			v = a
		case float32:
			v = math.Float32bits(a)
		}
		stack = append(stack, uint64(v)|rand.Uint64()<<32)
	}
	done, err = f(g, stack)
	return done, err, stack
}

// unchanged fails when something else than what may be written has changed.
func (g *guest) unchanged(t testing.TB, before []byte, may func(address int) bool) {
	t.Helper()
	if bytes.Equal(before, g.mem) {
		return
	}
	for i := range before {
		if before[i] != g.mem[i] && !may(i) {
			t.Fatalf("byte %d has changed", i)
		}
	}
}

// sets gives every set that this processor has.
func sets(t testing.TB, do func(set *hostmath.Set)) {
	for _, name := range hostmath.Available() {
		set, err := hostmath.Select(name)
		if err != nil {
			t.Fatal(err)
		}
		do(set)
	}
}

// near says whether a number is what it should be: the same kind of number, and
// otherwise within the error that sums of so many products of that size have.
func near(got float32, want, size float64, terms int) bool {
	switch {
	case math.IsNaN(want):
		return got != got
	case math.IsInf(float64(float32(want)), 0):
		return float64(got) == float64(float32(want)) || math.Abs(float64(got)) > math.MaxFloat32*0.99
	}
	return math.Abs(float64(got)-want) <= size*float64(terms+2)*0x1p-23+0x1p-140
}
