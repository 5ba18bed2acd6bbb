package preview1

import (
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/wherry-run/wherry/wasi"
)

// subscribe writes a subscription for the guest's layout.
func (g *fakeGuest) clockSub(b []byte, userdata uint64, id uint32, timeout uint64, flags uint16) {
	le.PutUint64(b, userdata)
	b[8] = eventClock
	le.PutUint32(b[g.layout.clockID:], id)
	le.PutUint64(b[g.layout.timeout:], timeout)
	le.PutUint16(b[g.layout.clockFlags:], flags)
}

func fdSub(b []byte, userdata uint64, kind uint8, fd uint32) {
	le.PutUint64(b, userdata)
	b[8] = kind
	le.PutUint32(b[16:], fd)
}

// event is what a poll says.
type event struct {
	userdata uint64
	err      errno
	kind     uint8
	bytes    uint64
	flags    uint16
}

// poll polls n subscriptions that fill makes.
func (g *fakeGuest) poll(n int, fill func(i int, b []byte)) []event {
	g.Helper()
	size := int(g.layout.sizeSubscription)
	in, out, count := g.alloc(n*size), g.alloc(n*sizeEvent), g.alloc(4)
	for i := range n {
		b := g.mem[int(in)+i*size:][:size]
		clear(b)
		fill(i, b)
	}
	g.ok("poll_oneoff", in, out, n, count)
	var events []event
	for i := range g.u32(count) {
		b := g.mem[out+i*sizeEvent:]
		events = append(events, event{
			userdata: le.Uint64(b), err: errno(le.Uint16(b[8:])), kind: b[10],
			bytes: le.Uint64(b[16:]), flags: le.Uint16(b[24:]),
		})
	}
	return events
}

func (g *fakeGuest) sleep(d time.Duration) {
	g.Helper()
	g.poll(1, func(_ int, b []byte) { g.clockSub(b, 0, clockMonotonic, uint64(d), 0) })
}

func TestPollClocks(t *testing.T) {
	for _, l := range []*layout{snapshot1, unstable} {
		g := newGuest(t, nil)
		g.layout = l
		start := time.Now()
		events := g.poll(3, func(i int, b []byte) {
			switch i {
			case 0:
				g.clockSub(b, 10, clockMonotonic, uint64(time.Hour), 0)
			case 1:
				g.clockSub(b, 11, clockRealtime, uint64(time.Now().Add(30*time.Millisecond).UnixNano()), clockAbsolute)
			case 2:
				g.clockSub(b, 12, clockMonotonic, 1<<64-1, 0)
			}
		})
		if len(events) != 1 || events[0] != (event{userdata: 11}) {
			t.Errorf("%s: events %+v", l.module, events)
		}
		if d := time.Since(start); d < 25*time.Millisecond || d > 5*time.Second {
			t.Errorf("%s: slept %v", l.module, d)
		}
	}
}

func TestPollAbsolutePast(t *testing.T) {
	g := newGuest(t, nil)
	events := g.poll(2, func(i int, b []byte) {
		g.clockSub(b, uint64(i), uint32(i), 1, clockAbsolute)
	})
	if len(events) != 2 {
		t.Errorf("events %+v, want both clocks", events)
	}
}

func TestPollErrorsAreEvents(t *testing.T) {
	g := newGuest(t, nil)
	for name, tc := range map[string]struct {
		want errno
		fill func(b []byte)
	}{
		"closed descriptor":  {ebadf, func(b []byte) { fdSub(b, 7, eventFDRead, 99) }},
		"reading an output":  {ebadf, func(b []byte) { fdSub(b, 7, eventFDRead, 1) }},
		"writing an input":   {ebadf, func(b []byte) { fdSub(b, 7, eventFDWrite, 0) }},
		"directory":          {ebadf, func(b []byte) { fdSub(b, 7, eventFDRead, 3) }},
		"unknown clock":      {enotsup, func(b []byte) { g.clockSub(b, 7, 9, 0, 0) }},
		"unknown clock flag": {einval, func(b []byte) { g.clockSub(b, 7, 0, 0, 2) }},
		"unknown event":      {einval, func(b []byte) { fdSub(b, 7, 255, 0) }},
	} {
		events := g.poll(2, func(i int, b []byte) {
			if tc.fill(b); i == 1 {
				clear(b)
				g.clockSub(b, 1, clockMonotonic, uint64(time.Hour), 0)
			}
		})
		if len(events) != 1 || events[0].userdata != 7 || events[0].err != tc.want {
			t.Errorf("%s: %+v, want error %d", name, events, tc.want)
		}
	}
}

func TestPollStdio(t *testing.T) {
	in, w := pipe(t)
	g := newGuest(t, func(c *Config) { c.Stdin = in })
	subs := func(i int, b []byte) {
		switch i {
		case 0:
			fdSub(b, 100, eventFDRead, 0)
		case 1:
			g.clockSub(b, 101, clockMonotonic, uint64(20*time.Millisecond), 0)
		case 2:
			fdSub(b, 102, eventFDWrite, 1)
		case 3:
			fdSub(b, 103, eventFDWrite, 2)
		}
	}
	if e := g.poll(4, subs); len(e) != 2 || e[0].userdata != 102 || e[1].userdata != 103 || e[0].kind != eventFDWrite || e[0].bytes == 0 {
		t.Errorf("outputs: %+v", e)
	}
	if e := g.poll(2, subs); len(e) != 1 || e[0].userdata != 101 {
		t.Errorf("silent input: %+v, want the clock", e)
	}
	go func() {
		time.Sleep(5 * time.Millisecond)
		_, _ = io.WriteString(w, "hello")
		_ = w.Close()
	}()
	onlyInput := func(_ int, b []byte) { fdSub(b, 100, eventFDRead, 0) }
	if e := g.poll(1, onlyInput); len(e) != 1 || e[0] != (event{userdata: 100, kind: eventFDRead, bytes: 5}) {
		t.Errorf("input with bytes: %+v", e)
	}
	if s := g.read(0, 16); s != "hello" {
		t.Errorf("read %q", s)
	}
	if e := g.poll(1, onlyInput); len(e) != 1 || e[0].flags != eventHangup || e[0].bytes != 0 {
		t.Errorf("input at its end: %+v", e)
	}
	if s := g.read(0, 16); s != "" {
		t.Errorf("read %q at the end", s)
	}
}

func TestPollFile(t *testing.T) {
	g := newGuest(t, nil)
	fd := g.open("f", oflagCreat, rightsOfFile)
	g.write(fd, "12345")
	g.ok("fd_seek", fd, 2, 0, g.alloc(8))
	e := g.poll(2, func(i int, b []byte) { fdSub(b, uint64(i), uint8(eventFDRead+i), fd) })
	if len(e) != 2 || e[0].bytes != 3 || e[1].bytes == 0 {
		t.Errorf("events %+v", e)
	}
}

func TestPollInPlace(t *testing.T) {
	g := newGuest(t, nil)
	at, count := g.alloc(4*48), g.alloc(4)
	for i := range uint32(4) {
		fdSub(g.mem[at+i*48:], uint64(50+i), eventFDWrite, 1)
	}
	g.ok("poll_oneoff", at, at, 4, count)
	for i := range uint32(4) {
		if got := g.u64(at + i*sizeEvent); got != uint64(50+i) {
			t.Errorf("event %d is for %d", i, got)
		}
	}
}

func TestPollLimits(t *testing.T) {
	g := newGuest(t, func(c *Config) { c.Limits.Subscriptions = 8 })
	g.want(einval, "poll_oneoff", 0, 0, 0, 64)
	g.want(einval, "poll_oneoff", 0, 0, 9, 64)
	g.want(einval, "poll_oneoff", 0, 0, uint32(1<<32/48+1), 64)
	g.want(efault, "poll_oneoff", testMemory-8*48+1, 0, 8, 64)
	g.want(efault, "poll_oneoff", 0, testMemory-8*32+1, 8, 64)
	g.want(efault, "poll_oneoff", 0, 1024, 8, testMemory-3)
}

func TestPollNonblockingOutput(t *testing.T) {
	stuck := &blockedWriter{make(chan struct{})}
	g := newGuest(t, func(c *Config) { c.Stdout = wasi.NewOutput(stuck) })
	g.ok("fd_fdstat_set_flags", 1, flagNonblock)
	subs := func(i int, b []byte) {
		fdSub(b, 1, eventFDWrite, 1)
		if i == 1 {
			clear(b)
			g.clockSub(b, 2, clockMonotonic, uint64(10*time.Millisecond), 0)
		}
	}
	g.write(1, "taken")
	g.want(eagain, "fd_write", 1, g.iovec(g.put("x"), 1), 1, g.alloc(4))
	if e := g.poll(2, subs); len(e) != 1 || e[0].userdata != 2 {
		t.Errorf("an output that blocks: %+v, want the clock", e)
	}
	close(stuck.release)
	if e := g.poll(1, subs); len(e) != 1 || e[0].userdata != 1 {
		t.Errorf("an output that takes bytes again: %+v", e)
	}
	g.write(1, "more")
}

// blockedWriter never takes anything until it is released.
type blockedWriter struct{ release chan struct{} }

func (w *blockedWriter) Write(p []byte) (int, error) {
	<-w.release
	return len(p), nil
}

func TestEveryWaitEndsWithItsContext(t *testing.T) {
	in, _ := pipe(t)
	stuck := &blockedWriter{make(chan struct{})}
	defer close(stuck.release)
	conn, l := connected(t)
	calls := map[string]func(g *fakeGuest){
		"sleep": func(g *fakeGuest) {
			b := g.alloc(48)
			g.clockSub(g.mem[b:], 0, clockMonotonic, 1<<63, 0)
			g.call("poll_oneoff", b, g.alloc(32), 1, g.alloc(4))
		},
		"poll stdin": func(g *fakeGuest) {
			b := g.alloc(48)
			fdSub(g.mem[b:], 0, eventFDRead, 0)
			g.call("poll_oneoff", b, g.alloc(32), 1, g.alloc(4))
		},
		"read stdin": func(g *fakeGuest) { g.call("fd_read", 0, g.iovec(g.alloc(8), 8), 1, g.alloc(4)) },
		"write stdout": func(g *fakeGuest) {
			g.call("fd_write", 1, g.iovec(g.put("x"), 1), 1, g.alloc(4))
		},
		"accept": func(g *fakeGuest) { g.call("sock_accept", 3, 0, g.alloc(4)) },
		"recv": func(g *fakeGuest) {
			g.call("sock_recv", 5, g.iovec(g.alloc(8), 8), 1, 0, g.alloc(4), g.alloc(4))
		},
		"peek": func(g *fakeGuest) {
			g.call("sock_recv", 5, g.iovec(g.alloc(8), 8), 1, recvPeek, g.alloc(4), g.alloc(4))
		},
		"send": func(g *fakeGuest) {
			for g.unwind == nil {
				g.call("sock_send", 5, g.iovec(0, testMemory), 1, 0, g.alloc(4))
			}
		},
	}
	for name, call := range calls {
		t.Run(name, func(t *testing.T) {
			g := newGuest(t, func(c *Config) {
				c.Stdin, c.Stdout, c.Listeners = in, wasi.NewOutput(stuck), []wasi.Listener{l}
			})
			g.h.fds.entries = append(g.h.fds.entries, &descriptor{base: rightsOfConnection, object: &connection{Conn: conn}})
			reason := errors.New("that is enough")
			ctx, cancel := context.WithCancelCause(t.Context())
			g.ctx = ctx
			time.AfterFunc(20*time.Millisecond, func() { cancel(reason) })
			start := time.Now()
			call(g)
			if d := time.Since(start); d > 10*time.Second { // a tenth of one is meant; a loaded machine is late
				t.Errorf("it took %v", d)
			}
			if !errors.Is(g.unwind, reason) {
				t.Errorf("unwound with %v, want %v", g.unwind, reason)
			}
			g.call("sched_yield")
			if !errors.Is(g.unwind, reason) {
				t.Errorf("the next call returns to the guest")
			}
			g.h.fds.entries[3], g.h.fds.entries = nil, g.h.fds.entries[:5] // the listener and the connection are shared
		})
	}
}
