package direct

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// A Server answers what it can directly, and has another answer everything else.
type Server struct {
	http   *http.Server
	method string // of the requests that are answered directly
	log    *slog.Logger
	base   context.Context // of all requests

	closing atomic.Bool
	date    atomic.Pointer[stamp]

	mu        sync.Mutex
	listeners map[*backlog]bool
	conns     map[*conn]bool
}

// New makes a server of one of net/http, whose handler and timeouts hold for what is
// answered directly, too: requests with a method, GET or POST. Contexts of requests have
// the values of ctx, and end with it.
func New(ctx context.Context, h *http.Server, method string, log *slog.Logger) *Server {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Server{http: h, method: method, log: log, base: context.WithValue(ctx, http.ServerContextKey, h), listeners: map[*backlog]bool{}, conns: map[*conn]bool{}}
}

// A Conn is a connection of which something may be read again: it gives what it is told
// to have not read before it reads on.
type Conn interface {
	net.Conn
	Unread(p []byte)
}

// Serve answers the connections of a listener, as http.Server.Serve does, and directly
// those that are a Conn.
func (s *Server) Serve(l net.Listener) error {
	b := &backlog{Listener: l, handed: make(chan net.Conn), failed: make(chan error), closed: make(chan struct{})}
	s.mu.Lock()
	if s.closing.Load() {
		s.mu.Unlock()
		return errors.Join(http.ErrServerClosed, b.Close())
	}
	s.listeners[b] = true
	s.mu.Unlock()
	go s.accept(b)
	return s.http.Serve(b)
}

// ServeTLS is http.Server.ServeTLS: what is encrypted is net/http's.
func (s *Server) ServeTLS(l net.Listener, certFile, keyFile string) error {
	return s.http.ServeTLS(l, certFile, keyFile)
}

// accept takes connections until there are no more.
func (s *Server) accept(b *backlog) {
	for {
		one, err := b.Listener.Accept()
		if err != nil {
			if s.closing.Load() || !b.fail(err) { // who is to end says itself when
				return
			}
			continue
		}
		if own, ok := one.(Conn); ok {
			if c := s.add(own, b); c != nil {
				go c.serve()
				continue
			}
		}
		b.hand(one)
	}
}

// add begins with a connection; nil when it is for net/http.
func (s *Server) add(own Conn, b *backlog) *conn {
	c := &conn{Conn: own, server: s, backlog: b, remote: own.RemoteAddr().String(), waits: true}
	c.base = context.WithValue(s.base, http.LocalAddrContextKey, own.LocalAddr())
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing.Load() {
		return nil
	}
	s.conns[c] = true
	return c
}

// prefaced tells whether net/http would take up HTTP/2 by a preface.
func (s *Server) prefaced() bool {
	p := s.http.Protocols
	return p != nil && p.UnencryptedHTTP2()
}

func (s *Server) remove(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
}

// count tells how many connections there are, and how many of these wait for a request.
func (s *Server) count() (all, waiting int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		if c.waiting() {
			waiting++
		}
	}
	return len(s.conns), waiting
}

// end takes no more connections. Those that wait for a request hear of it: what has been
// sent to them is read yet.
func (s *Server) end() (all []*conn, lists []*backlog) {
	s.closing.Store(true)
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		all = append(all, c)
	}
	for b := range s.listeners {
		lists = append(lists, b)
	}
	return all, lists
}

// Shutdown is http.Server.Shutdown, for both: it takes no more connections, closes those
// without a request, and returns when all requests are answered, or with the error of
// ctx. It may be called again.
func (s *Server) Shutdown(ctx context.Context) error {
	all, lists := s.end()
	for _, b := range lists {
		_ = b.stop() // net/http goes on to take what is handed to it
	}
	for _, c := range all {
		c.wake()
	}
	// A request that was sent before, and is net/http's, is to reach it.
	err := s.until(ctx, func() bool { _, waiting := s.count(); return waiting == 0 })
	if own := s.http.Shutdown(ctx); err == nil {
		err = own
	}
	if own := s.until(ctx, func() bool { n, _ := s.count(); return n == 0 }); err == nil {
		err = own
	}
	return err
}

// How often the end of what is under way is looked for.
const (
	firstLook = time.Millisecond
	lastLook  = 100 * time.Millisecond
)

func (s *Server) until(ctx context.Context, done func() bool) error {
	for pause := firstLook; !done(); pause = min(2*pause, lastLook) {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
	return nil
}

// Close is http.Server.Close, for both.
func (s *Server) Close() error {
	all, _ := s.end()
	err := s.http.Close() // and the listeners
	for _, c := range all {
		_ = c.Close()
	}
	return err
}

// backlog is the listener of net/http: it gives connections that are handed to it.
type backlog struct {
	net.Listener
	handed chan net.Conn
	failed chan error

	stopping sync.Once
	stopped  error
	closing  sync.Once
	closed   chan struct{}
}

// stop takes no more of the listener.
func (b *backlog) stop() error {
	b.stopping.Do(func() { b.stopped = b.Listener.Close() })
	return b.stopped
}

// Accept implements net.Listener.
func (b *backlog) Accept() (net.Conn, error) {
	select {
	case c := <-b.handed:
		return c, nil
	case err := <-b.failed:
		return nil, err
	case <-b.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (b *backlog) Close() error {
	b.closing.Do(func() { close(b.closed) })
	return b.stop()
}

// hand gives a connection to net/http.
func (b *backlog) hand(c net.Conn) {
	select {
	case b.handed <- c:
	case <-b.closed:
		_ = c.Close()
	}
}

// fail has net/http judge an error of Accept: it waits a little after one that passes,
// and ends with any other. It tells whether to go on.
func (b *backlog) fail(err error) bool {
	select {
	case b.failed <- err:
	case <-b.closed:
		return false
	}
	var passing net.Error
	return errors.As(err, &passing) && passing.Temporary() //nolint:staticcheck // what net/http asks
}

// A stamp is the Date of answers for a second.
type stamp struct {
	second int64
	text   string
}

func (s *Server) stamp(now time.Time) string {
	second := now.Unix()
	if last := s.date.Load(); last != nil && last.second == second {
		return last.text
	}
	next := &stamp{second, now.UTC().Format(http.TimeFormat)}
	s.date.Store(next)
	return next.text
}
