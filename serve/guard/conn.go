package guard

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// DefaultConnections is how many connections a server has at once unless it is told
// otherwise.
const DefaultConnections = 16384

// Limit bounds how many connections a listener has open at once. Those beyond wait
// in the system's queue, which is bounded too. 0 is DefaultConnections, and less no
// bound. Deadlines of its connections cost little; see lazy.
func Limit(l net.Listener, n int) net.Listener {
	if n == 0 {
		n = DefaultConnections
	}
	limit := &limited{Listener: l, closed: make(chan struct{})}
	if n > 0 {
		limit.free = make(chan struct{}, n)
	}
	return limit
}

type limited struct {
	net.Listener
	free   chan struct{} // nil: there is no bound
	once   sync.Once
	closed chan struct{}
}

func (l *limited) Accept() (net.Conn, error) {
	if l.free != nil {
		select {
		case l.free <- struct{}{}:
		case <-l.closed:
			return nil, net.ErrClosed
		}
	}
	c, err := l.Listener.Accept()
	if err != nil {
		if l.free != nil {
			<-l.free
		}
		return nil, err
	}
	return &conn{Conn: c, quick: briefly(c), free: l.free}, nil
}

func (l *limited) Close() error {
	err := l.Listener.Close()
	l.once.Do(func() { close(l.closed) })
	return err
}

// conn is a connection of a limited listener: it gives its place back once, when it is
// closed.
type conn struct {
	net.Conn
	quick  io.ReadWriter // the same, for less
	free   chan struct{}
	gone   atomic.Bool
	again  []byte // what is read once more
	reads  reads
	writes lazy
}

func (c *conn) Close() error {
	err := c.Conn.Close()
	c.reads.close()
	if c.gone.CompareAndSwap(false, true) && c.free != nil {
		<-c.free
	}
	return err
}

// CloseWrite says that nothing follows, and has what was said arrive: net/http does so
// before it closes a connection on which something was not read.
func (c *conn) CloseWrite() error {
	if one, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return one.CloseWrite()
	}
	return errors.ErrUnsupported
}

func (c *conn) SetReadDeadline(t time.Time) error {
	return c.reads.put(t, c.Conn.SetReadDeadline)
}

func (c *conn) SetWriteDeadline(t time.Time) error {
	return c.writes.put(t, c.Conn.SetWriteDeadline)
}

func (c *conn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

// Unread has p read again, before what comes. Nobody reads meanwhile.
func (c *conn) Unread(p []byte) { c.again = p }

func (c *conn) Read(p []byte) (int, error) {
	if len(c.again) > 0 {
		n := copy(p, c.again)
		c.again = c.again[n:]
		return n, nil
	}
	if err := c.reads.begin(len(p) == ahead, c.Conn.SetReadDeadline); err != nil {
		return 0, err
	}
	defer c.reads.end()
	for {
		n, err := c.quick.Read(p)
		if err == nil || n > 0 || !c.reads.early(err, c.Conn.SetReadDeadline) {
			return n, err
		}
	}
}

func (c *conn) Write(p []byte) (done int, err error) {
	for {
		n, err := c.quick.Write(p[done:])
		if done += n; err == nil || !c.writes.early(err, c.Conn.SetWriteDeadline) {
			return done, err
		}
	}
}

// lazy is a deadline that is moved more often than it is reached: several times for each
// request, by net/http and by Wrap. To tell the system of one takes its poller's lock and
// a timer. So it is told only of one that is earlier than the one it knows; when that one
// comes too early, it hears of the one that holds.
type lazy struct {
	mu   sync.Mutex
	want time.Time // zero: none
	set  time.Time // that the system knows; zero: none
}

// put moves it.
func (l *lazy) put(t time.Time, set func(time.Time) error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.move(t, set)
}

// move is put for who holds mu.
func (l *lazy) move(t time.Time, set func(time.Time) error) error {
	l.want = t
	if t.IsZero() || !l.set.IsZero() && !t.Before(l.set) {
		return nil
	}
	l.set = t
	return set(t)
}

// early tells whether an error is that of a deadline which does not hold any more, and
// sets the one that does.
func (l *lazy) early(err error, set func(time.Time) error) bool {
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.want.IsZero() && !time.Now().Before(l.want) {
		return false
	}
	l.set = l.want
	return set(l.want) == nil
}
