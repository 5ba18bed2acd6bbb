package preview1

import (
	"context"
	"net"
	"net/netip"
	"time"

	"github.com/wherry-run/wherry/wasi"
)

// A socket is one of a stream that is not connected: a new one, one that connects,
// or one that could not.
type socket struct {
	v6      bool
	bound   netip.AddrPort // zero: not bound
	dialing *dialing       // nil: it does not connect
	failed  errno          // why it could not, until somebody has asked
	cause   error          // that as it was said

	patience, holdOut time.Duration // of the connection that it becomes
}

func (*socket) fileType() fileType { return typeSocketStream }

func (s *socket) close() error {
	if d := s.dialing; d != nil {
		s.dialing = nil
		d.cancel()
		go func() {
			if <-d.done; d.conn != nil {
				_ = d.conn.Close()
			}
		}()
	}
	return nil
}

// dialing is a connection that is being made.
type dialing struct {
	cancel context.CancelFunc
	done   chan struct{} // closed when what follows is there
	conn   net.Conn
	err    error
}

// dial begins to connect, and goes on when the call has ended.
func (h *Host) dial(ctx context.Context, network string, to netip.AddrPort) *dialing {
	return begin(ctx, func(ctx context.Context) (net.Conn, error) {
		return h.config.Dial.DialContext(ctx, network, to.String())
	})
}

// begin has a connection made, also after the call has ended.
func begin(ctx context.Context, connect func(ctx context.Context) (net.Conn, error)) *dialing {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	d := &dialing{cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(d.done)
		d.conn, d.err = connect(ctx)
		if d.err == nil && ctx.Err() != nil { // closed meanwhile
			_ = d.conn.Close()
			d.conn, d.err = nil, net.ErrClosed
		}
	}()
	return d
}

// settle makes of a socket whose connection is there a connection.
func (s *socket) settle(d *descriptor) {
	if s.dialing == nil {
		return
	}
	select {
	case <-s.dialing.done:
	default:
		return
	}
	conn, err := s.dialing.conn, s.dialing.err
	s.dialing = nil
	if s.cause = err; err != nil {
		if s.failed = errnoOf(err); s.failed == epipe || s.failed == ecanceled {
			s.failed = econnaborted
		}
		return
	}
	d.object = &connection{Conn: wasi.NewConn(conn), patience: s.patience, holdOut: s.holdOut}
}

// await is a poll of it: it is ready when it is connected, or cannot be. Who waits to
// write is told of room in both cases, as on Linux: C libraries take the end of a stream
// for nothing that a write could be waited for.
func (s *socket) await(sub *subscription, need rights) {
	if s.dialing != nil {
		sub.ready = s.dialing.done
	}
	if s.dialing != nil || need == rightFDWrite {
		sub.look = func() (uint64, bool) { return streamRoom, false }
		return
	}
	sub.look = func() (uint64, bool) { return 0, true }
}

// notConnected is what a read or write of something says that is no connection.
func notConnected(o object) errno {
	s, ok := o.(*socket)
	switch {
	case !ok:
		return enotconn
	case s.dialing != nil:
		return eagain
	case s.failed != esuccess:
		e := s.failed
		s.failed = esuccess
		return e
	}
	return enotconn
}

// waitFor waits until something is ready, at most so long; 0 is for ever.
func (h *Host) waitFor(ctx context.Context, ready <-chan struct{}, most time.Duration) (ok bool) {
	select {
	case <-ready:
		return true
	default:
	}
	h.wait(func() {
		var late <-chan struct{}
		if most > 0 {
			done, stop := h.clock.After(most)
			defer stop()
			late = done
		}
		select {
		case <-ready:
			ok = true
		case <-late:
		case <-ctx.Done():
		}
	})
	return ok
}
