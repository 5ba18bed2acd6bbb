package preview1

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/wherry-run/wherry/wasi"
)

// TestPatient checks that a patient host shows nothing of how slowly the input comes.
func TestPatient(t *testing.T) {
	in, w := pipe(t)
	clock := wasi.NewFixedClock(testStart)
	g := newGuest(t, func(c *Config) { c.Stdin, c.Clock, c.Patient = in.Whole(), clock, true })
	later := func(s string) {
		go func() {
			time.Sleep(20 * time.Millisecond)
			_, _ = io.WriteString(w, s)
		}()
	}
	subs := func(i int, b []byte) {
		if i == 0 {
			fdSub(b, 100, eventFDRead, 0)
		} else {
			g.clockSub(b, 101, clockMonotonic, 1, 0)
		}
	}
	const chunk = 64 << 10
	before := clock.Monotonic()
	later(strings.Repeat("x", chunk))
	if e := g.poll(2, subs); len(e) != 1 || e[0].userdata != 100 || e[0].bytes != chunk {
		t.Errorf("poll: %+v, want the whole input before any time", e)
	}
	if s := g.read(0, chunk-10); len(s) != chunk-10 {
		t.Errorf("read %d bytes", len(s))
	}
	// Two buffers, of which the second could be filled a moment later.
	at, n := g.alloc(16), g.alloc(4)
	for i, size := range []uint32{10, 10} {
		le.PutUint32(g.mem[at+uint32(i)*8:], g.alloc(10))
		le.PutUint32(g.mem[at+uint32(i)*8+4:], size)
	}
	later(strings.Repeat("y", chunk))
	g.ok("fd_read", 0, at, 2, n)
	if g.u32(n) != 10 {
		t.Errorf("read %d bytes of two chunks", g.u32(n))
	}
	g.ok("fd_fdstat_set_flags", 0, flagNonblock)
	if s := g.read(0, 4); s != "yyyy" {
		t.Errorf("NONBLOCK reads %q", s)
	}
	if d := clock.Monotonic() - before; d != time.Microsecond {
		t.Errorf("waiting took %v on the clock", d-time.Microsecond)
	}
}

// TestPatientEnds checks that a patient host waits for a silent input only as long as its context.
func TestPatientEnds(t *testing.T) {
	in, _ := pipe(t)
	g := newGuest(t, func(c *Config) { c.Stdin, c.Clock, c.Patient = in, wasi.NewFixedClock(testStart), true })
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	g.ctx = ctx
	start := time.Now()
	b := g.alloc(96)
	fdSub(g.mem[b:], 0, eventFDRead, 0)
	g.clockSub(g.mem[b+48:], 0, clockMonotonic, 1, 0)
	g.call("poll_oneoff", b, g.alloc(64), 2, g.alloc(4))
	if !errors.Is(g.unwind, context.DeadlineExceeded) || time.Since(start) > 10*time.Second {
		t.Errorf("unwound with %v after %v", g.unwind, time.Since(start))
	}
}
