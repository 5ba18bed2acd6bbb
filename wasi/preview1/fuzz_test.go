package preview1

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	"github.com/wherry-run/wherry/wasi"
)

// fuzzMemory is small, so that random pointers often hit, and has a fence on
// both sides that no function may touch.
type fuzzMemory struct {
	all   []byte
	fence int
}

func newFuzzMemory(size int) *fuzzMemory {
	m := &fuzzMemory{all: bytes.Repeat([]byte{0xa5}, size+2*4096), fence: 4096}
	clear(m.bytes())
	return m
}

func (m *fuzzMemory) bytes() []byte { return m.all[m.fence : len(m.all)-m.fence] }

func (m *fuzzMemory) Read(off, n uint32) ([]byte, bool) {
	b := m.bytes()
	if uint64(off)+uint64(n) > uint64(len(b)) {
		return nil, false
	}
	return b[off : uint64(off)+uint64(n)], true // with capacity beyond, to catch appends
}

func (m *fuzzMemory) intact() bool {
	for _, b := range [][]byte{m.all[:m.fence], m.all[len(m.all)-m.fence:]} {
		for _, c := range b {
			if c != 0xa5 {
				return false
			}
		}
	}
	return true
}

// FuzzCalls makes a guest of random bytes: the memory, and which functions it
// calls with which arguments. Nothing may panic, write outside of the memory,
// or keep its caller after the context has ended.
func FuzzCalls(f *testing.F) {
	names := functions()
	for i := range names {
		seed := []byte{byte(i)}
		for range len(names[i].params) {
			seed = append(seed, 0, byte(16*i))
		}
		f.Add([]byte("name\x00/dir/../file"), bytes.Repeat(seed, 3))
	}
	f.Fuzz(func(t *testing.T, memory, program []byte) {
		g := newGuest(t, func(c *Config) {
			c.Args, c.Env, c.Limits = []string{"a", "b"}, []string{"K=V"}, Limits{FDs: 16, Iovecs: 64, Subscriptions: 64}
			c.Stdin, c.Clock = wasi.NewInput(bytes.NewReader(memory)), wasi.NewFixedClock(testStart)
		})
		m := newFuzzMemory(4096)
		copy(m.bytes(), memory)
		const limit = 2 * time.Second
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		defer cancel()
		start := time.Now()
		for calls := 0; len(program) > 0 && calls < 200; calls++ {
			fn := &names[int(program[0])%len(names)]
			program = program[1:]
			args := make([]uint64, len(fn.params)+1)
			for i := range fn.params {
				args[i], program = fuzzArgument(program, fn.params[i])
			}
			e, unwind := g.h.run(ctx, snapshot1, fn, m, args)
			if e > enotcapable {
				t.Fatalf("%s%v = %d, which is no errno", fn.name, args, e)
			}
			var end *exit
			if unwind != nil && ctx.Err() == nil && !errors.As(unwind, &end) {
				t.Fatalf("%s%v unwinds with %v", fn.name, args, unwind)
			}
			if !m.intact() {
				t.Fatalf("%s%v wrote outside of the guest's memory", fn.name, args)
			}
		}
		if d := time.Since(start); d > limit+10*time.Second {
			t.Fatalf("the calls took %v", d)
		}
	})
}

// fuzzArgument makes an argument of one selecting byte and one or two more:
// small numbers mostly, and the extremes.
func fuzzArgument(p []byte, kind byte) (uint64, []byte) {
	if len(p) < 2 {
		return 0, nil
	}
	how, v := p[0], uint64(p[1])
	p = p[2:]
	switch how % 8 {
	case 0, 1, 2:
	case 3:
		v <<= 4
	case 4:
		v = 4096 - v
	case 5:
		v = -v
	case 6:
		v <<= 24
	case 7:
		if v = 1<<63 - v; kind == 'i' {
			v = 1<<31 - uint64(how)
		}
	}
	if kind == 'i' {
		v = uint64(uint32(v))
	}
	return v, p
}
