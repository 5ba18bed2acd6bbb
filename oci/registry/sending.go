package registry

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"time"
)

// sentBody is a request body under a watchdog: the timer runs while the
// transport writes, and is started anew each time it asks for more.
type sentBody struct {
	*io.LimitedReader
	io.Closer
	file   *os.File // what is read, when it is a file
	dog    *watchdog
	floor  floor
	report func(n int)
	since  time.Time // when the floor was last looked at
	sent   int64     // meanwhile
}

func (b *sentBody) Read(p []byte) (int, error) {
	n, err := b.LimitedReader.Read(p)
	b.moved(n)
	return n, err
}

// moved tells the watchdog and whoever looks on what the network took.
func (b *sentBody) moved(n int) {
	now := time.Now()
	if b.since.IsZero() {
		b.since = now
	}
	if now.Sub(b.since) >= b.floor.within {
		if b.sent < b.floor.bytes {
			b.dog.cancel(fmt.Errorf("%w: only %d bytes went in %s", errStalled, b.sent, now.Sub(b.since).Round(time.Millisecond)))
		}
		b.since, b.sent = now, 0
	}
	b.dog.pat()
	if n > 0 {
		b.sent += int64(n)
		b.report(n)
	}
}

// sendTo has the system send what is left of a file, at most n bytes, piece by piece.
func (b *sentBody) sendTo(c *net.TCPConn, n int64) (sent int64, err error) {
	const piece = 64 << 10 // the watchdog's time is for so much
	for n = min(n, b.N); sent < n && err == nil; {
		want := min(piece, n-sent)
		var moved int64
		moved, err = c.ReadFrom(io.LimitReader(b.file, want))
		sent += moved
		b.N -= moved
		b.moved(int(moved))
		if moved < want && err == nil {
			err = io.ErrUnexpectedEOF // the file became shorter
		}
	}
	return sent, err
}

// sendingConn is a connection that has files sent by the system where nothing encrypts:
// half of what sending costs is to copy them twice. Package net/http alone would do so
// only for bodies that nobody watches.
type sendingConn struct{ *net.TCPConn }

// ReadFrom implements io.ReaderFrom.
func (c sendingConn) ReadFrom(r io.Reader) (int64, error) {
	if l, ok := r.(*io.LimitedReader); ok {
		if b, ok := l.R.(*sentBody); ok && b.file != nil {
			n, err := b.sendTo(c.TCPConn, l.N)
			l.N -= n
			return n, err
		}
	}
	return c.TCPConn.ReadFrom(r)
}

func dial(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := (&net.Dialer{Timeout: 30 * time.Second, KeepAlive: 30 * time.Second}).DialContext(ctx, network, address)
	if tcp, ok := c.(*net.TCPConn); ok {
		return sendingConn{tcp}, err
	}
	return c, err
}
