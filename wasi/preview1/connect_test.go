package preview1

import (
	"context"
	"net"
	"net/netip"
	"runtime"
	"syscall"
	"testing"
)

// dialer answers every connect at once.
type dialer struct{ err error }

func (d dialer) DialContext(context.Context, string, string) (net.Conn, error) {
	if d.err != nil {
		return nil, d.err
	}
	ours, theirs := net.Pipe()
	go func() { _ = theirs.Close() }()
	return ours, nil
}

// TestConnectThatDoesNotBlock wants the same answers whenever the connection is made, or
// could not be: before the connect returns, before the poll, or in it.
func TestConnectThatDoesNotBlock(t *testing.T) {
	to := netip.MustParseAddrPort("127.0.0.1:80")
	for name, refused := range map[string]error{"made": nil, "refused": syscall.ECONNREFUSED} {
		t.Run(name, func(t *testing.T) {
			g := newGuest(t, func(c *Config) { c.Dial = dialer{refused} })
			s := g.h.Sockets()
			want := esuccess
			if refused != nil {
				want = econnrefused
			}
			for turn := range 300 {
				fd, e := s.Open(false, false)
				if e != esuccess {
					t.Fatal(e)
				}
				g.ok("fd_fdstat_set_flags", fd, flagNonblock)
				if e := s.Connect(g.ctx, fd, to); e != einprogress {
					t.Fatalf("turn %d: connect says %d, not EINPROGRESS", turn, e)
				}
				for range turn % 3 {
					runtime.Gosched()
				}
				events := g.poll(1, func(_ int, b []byte) { fdSub(b, 1, eventFDWrite, fd) })
				if len(events) != 1 || events[0].err != esuccess || events[0].bytes == 0 || events[0].flags != 0 {
					t.Fatalf("turn %d: who waits to write is told %+v", turn, events)
				}
				if failed, e := s.Failed(fd); failed != want || e != esuccess {
					t.Fatalf("turn %d: SO_ERROR is %d, %d, not %d", turn, failed, e, want)
				}
				if e := s.Close(fd); e != esuccess {
					t.Fatal(e)
				}
			}
		})
	}
}
